package events

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/crdt"
	"concord/internal/testkit/node"
)

const rules = `
events:
  - {name: documents, type: project, on: [created, updated, deleted], emit: "document:*", room: company}
  - {name: projects, type: project, on: [created, updated, deleted], emit: "project:*", room: company, data: {name: /name}}
`

// world is a node with two companies in which everything happens that can.
type world struct {
	t       *testing.T
	node    *node.Node
	devices []*device
	shared  string // a document that some look at
}

// ask makes a call as a user and decodes the answer.
func (w *world) ask(c node.Claims, method, path, body string, header http.Header, answer any) {
	w.t.Helper()
	res, err := call(w.t.Context(), w.node, w.node.Token(c), method, path, body, header)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && answer != nil {
		if raw, ok := answer.(*[]byte); ok {
			*raw = b
		} else {
			err = json.Unmarshal(b, answer)
		}
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func erp(company string) node.Claims {
	return node.Claims{Sub: "erp", Company: company, Role: "service"}
}

// publish publishes one event and returns its ID.
func (w *world) publish(company string, e map[string]any) string {
	w.t.Helper()
	b, err := json.Marshal(map[string]any{"events": []any{e}})
	if err != nil {
		w.t.Fatal(err)
	}
	var answer struct{ Events []struct{ ID string } }
	w.ask(erp(company), http.MethodPost, "/v1/events", string(b), nil, &answer)
	return answer.Events[0].ID
}

// Every type of event arrives live at every device of its audience and at nobody else's, over each transport.
func TestAudience(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, node: node.Start(t, node.Options{Args: []string{"--rules", file, "--presence-grace", "100ms"}})}
	var made struct{ ID string }
	w.ask(erp("acme"), http.MethodPut, "/v1/documents/invoice/7", `{"content":{"total":1,"customer":"Miller"}}`, nil, &made)
	w.shared = made.ID
	room := "document:" + w.shared
	for _, via := range transports {
		w.hear("alice", node.Claims{Sub: "alice"}, via, room)
		w.hear("bob", node.Claims{Sub: "bob", Role: "viewer"}, via)
		w.hear("carol", node.Claims{Sub: "carol", Extra: map[string]any{"docs": []string{}}}, via, room) // may open none
		w.hear("erp", erp("acme"), via)
		w.hear("alice of globex", node.Claims{Sub: "alice", Company: "globex"}, via, room, "company:acme", "user:erp")
	}
	types := w.publishAll(room)
	w.serverEvents()
	w.judge(types)
}

// hear has a user listen on one more device.
func (w *world) hear(name string, c node.Claims, via string, rooms ...string) {
	w.t.Helper()
	d := &device{name: name + " by " + via, claims: c, via: via, rooms: rooms}
	d.listen(w.t, w.node)
	w.devices = append(w.devices, d)
}

// publishAll publishes every type that can be in every kind of room, and returns all types there are.
func (w *world) publishAll(room string) (types []string) {
	w.t.Helper()
	var list struct {
		Types []struct {
			Name   string
			Server bool
		}
	}
	w.ask(erp("acme"), http.MethodGet, "/v1/events/schema", "", nil, &list)
	for _, kind := range list.Types {
		types = append(types, kind.Name)
		if kind.Server {
			continue
		}
		var schema struct{ Examples []json.RawMessage }
		w.ask(erp("acme"), http.MethodGet, "/v1/events/schema/"+kind.Name, "", nil, &schema)
		for _, r := range []string{"company:acme", "user:alice", "user:bob", room} {
			w.publish("acme", map[string]any{"type": kind.Name, "room": r, "data": schema.Examples[0], "receipts": r == "user:alice"})
		}
		w.publish("acme", map[string]any{"type": kind.Name, "room": "company:acme", "document": w.shared, "data": schema.Examples[0]})
		w.publish("globex", map[string]any{"type": kind.Name, "room": "company:globex", "data": schema.Examples[0]})
		w.publish("globex", map[string]any{"type": kind.Name, "room": "user:alice", "data": schema.Examples[0]})
	}
	if len(types) < 20 {
		w.t.Fatalf("types %v", types)
	}
	return types
}

// serverEvents makes everything happen that only the server tells.
func (w *world) serverEvents() {
	w.t.Helper()
	alice := node.Claims{Sub: "alice"}
	// user:typing
	w.ask(alice, http.MethodPost, "/v1/events/typing", fmt.Sprintf(`{"document":%q,"field":"/total","active":true}`, w.shared), nil, nil)
	// notification:read, notification:receipt
	asked := w.publish("acme", map[string]any{"type": "notification:new", "room": "user:alice", "receipts": true})
	w.ask(alice, http.MethodPost, "/v1/events/read", fmt.Sprintf(`{"ids":[%q]}`, asked), nil, nil)
	// document:created, updated, deleted
	var made struct{ ID string }
	w.ask(alice, http.MethodPut, "/v1/documents/project/1", `{"content":{"name":"Bridge"}}`, nil, &made)
	w.ask(alice, http.MethodPatch, "/v1/documents/"+made.ID, `{"name":"Tunnel"}`, http.Header{"Content-Type": {"application/merge-patch+json"}}, nil)
	w.eventually("the project's update is told", func() bool {
		return slices.ContainsFunc(w.devices[0].all(), func(e happening) bool { return e.Type == "document:updated" })
	})
	w.ask(node.Claims{Sub: "admin", Role: "admin"}, http.MethodDelete, "/v1/documents/"+made.ID, "", nil, nil)
	// document:conflict, conflict:resolved
	w.conflict()
	// user:online and offline
	passing := &device{name: "passing", claims: node.Claims{Sub: "passing"}, via: viaSocket}
	passing.listen(w.t, w.node)
	w.eventually("passing is online", func() bool {
		return slices.ContainsFunc(w.devices[0].all(), func(e happening) bool { return e.Type == "user:online" && e.From == "passing" })
	})
	passing.stop()
	w.eventually("passing is offline", func() bool {
		return slices.ContainsFunc(w.devices[0].all(), func(e happening) bool { return e.Type == "user:offline" && e.From == "passing" })
	})
}

// conflict has two users set one field at once, and one of them decide.
func (w *world) conflict() {
	w.t.Helper()
	path := "/v1/documents/" + w.shared
	var file []byte
	w.ask(node.Claims{Sub: "bob"}, http.MethodGet, path+"/export", "", nil, &file)
	doc, err := crdt.Load(file, crdt.Limits{})
	if err != nil {
		w.t.Fatal(err)
	}
	doc.SetActor(crdt.ActorID("0123456789abcdef"))
	if _, err := doc.Edit(crdt.EditOptions{}, func(tx *crdt.Tx) error {
		_, err := tx.SetAt("/total", 3)
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	w.ask(node.Claims{Sub: "alice"}, http.MethodPatch, path, `{"total":2}`, http.Header{"Content-Type": {"application/merge-patch+json"}}, nil)
	w.ask(node.Claims{Sub: "bob"}, http.MethodPost, "/v1/documents/import?id="+w.shared, string(doc.Save()), http.Header{"Content-Type": {"application/octet-stream"}}, nil)
	var found struct{ Conflicts []struct{ ID string } }
	w.ask(node.Claims{Sub: "bob"}, http.MethodGet, "/v1/conflicts?document="+w.shared, "", nil, &found)
	if len(found.Conflicts) != 1 {
		w.t.Fatalf("conflicts %v", found)
	}
	w.ask(node.Claims{Sub: "bob"}, http.MethodPost, "/v1/conflicts/"+found.Conflicts[0].ID+"/resolve", `{"value":4}`, nil, nil)
}

func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("%s: not after %v", what, patience)
		}
		for _, d := range w.devices {
			if err := d.end(); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// judge waits until everything has arrived, and compares who has heard what with who was to.
func (w *world) judge(types []string) {
	w.t.Helper()
	time.Sleep(2 * time.Second) // what nobody is to hear, or later than its time, shall have come
	last := map[string]string{}
	for _, company := range []string{"acme", "globex"} {
		last[company] = w.publish(company, map[string]any{"type": "notification:new", "room": "company:" + company})
	}
	w.eventually("the last event is everywhere", func() bool {
		return !slices.ContainsFunc(w.devices, func(d *device) bool { return !d.has(last[companyOf(d)]) })
	})
	known := map[string]map[string]happening{"acme": {}, "globex": {}}
	for _, d := range w.devices {
		for _, e := range d.all() {
			known[companyOf(d)][e.ID] = e
		}
	}
	for id := range known["globex"] {
		if _, both := known["acme"][id]; both {
			w.t.Errorf("two companies have heard %v", known["globex"][id])
		}
	}
	w.judgeTypes(types, known["acme"])
	for _, d := range w.devices {
		w.judgeDevice(d, known[companyOf(d)])
	}
}

// judgeTypes demands that each type was heard, in each kind of room that it can be in.
func (w *world) judgeTypes(types []string, known map[string]happening) {
	w.t.Helper()
	for _, name := range types {
		kinds := map[string]bool{}
		for _, e := range known {
			if e.Type == name {
				kind, _, _ := strings.Cut(e.Room, ":")
				kinds[kind] = true
			}
		}
		w.t.Logf("%-22s%v", name, kinds)
		want := 3
		switch {
		case strings.HasPrefix(name, "document:") && name != "document:conflict", strings.HasPrefix(name, "user:"), name == "notification:read", name == "notification:receipt":
			want = 1
		case name == "conflict:resolved":
			want = 2
		}
		if len(kinds) < want {
			w.t.Errorf("%s was heard in %v", name, kinds)
		}
	}
}

func companyOf(d *device) string {
	if d.claims.Company == "" {
		return "acme"
	}
	return d.claims.Company
}

// judgeDevice demands that a device has heard all that is for it since it listens, each once and in order, and nothing else.
func (w *world) judgeDevice(d *device, known map[string]happening) {
	w.t.Helper()
	rooms := []string{"user:" + d.claims.Sub, "company:" + companyOf(d)}
	narrowed := d.claims.Extra != nil
	if !narrowed && len(d.rooms) > 0 {
		rooms = append(rooms, d.rooms[0])
	}
	heard := map[string]bool{}
	cursor := ""
	for _, e := range d.all() {
		switch {
		case heard[e.ID]:
			w.t.Errorf("%s has heard %+v twice", d.name, e)
		case !slices.Contains(rooms, e.Room), narrowed && e.Document != "":
			w.t.Errorf("%s has heard %+v", d.name, e)
		case e.cursor != "" && e.place() <= cursor:
			w.t.Errorf("%s has heard %+v out of order", d.name, e)
		}
		heard[e.ID] = true
		cursor = max(cursor, e.place())
	}
	for id, e := range known {
		fleeting := e.Type == "user:typing" && d.via == viaPoll // it may come between two polls
		came := strings.HasPrefix(e.Type, "user:o")             // those came before the last devices
		if slices.Contains(rooms, e.Room) && !(narrowed && e.Document != "") && !heard[id] && !fleeting && !(came && e.From != "passing") {
			w.t.Errorf("%s hasn't heard %+v", d.name, e)
		}
	}
	if len(heard) < 10 {
		w.t.Errorf("%s has heard %d events", d.name, len(heard))
	}
}
