package api

import (
	"fmt"
	"strings"
	"time"

	"concord/crdt"
	"concord/internal/auth"
	"concord/internal/id"
	"concord/store"
)

// fuzzCompany is a company with documents, and what its callers know.
type fuzzCompany struct {
	name, word string // word is in everything that it has
	callers    []fuzzCaller

	documents, conflicts, heads, ops, users []string
	events                                  []string // IDs
	cursor                                  string
	file                                    []byte // a document whose content is its own
}

type fuzzCaller struct {
	name, token string
	known       bool     // a good token
	writes      bool     // a token that may change things
	mayRead     []string // canaries
}

// newCompany makes a company with a conflict, a proposal, a deleted document, a
// rejection, a revocation, and a document of which narrowed tokens may not know.
func (f *fuzzer) newCompany(own, hidden string) *fuzzCompany {
	f.tb.Helper()
	tag := f.rand.Uint64() >> 16 // no damaged word is another one
	c := &fuzzCompany{name: fmt.Sprintf("%s%d", own, f.round), word: fmt.Sprintf("canary%012x%s", tag, own)}
	secret := fmt.Sprintf("canary%012x%s", tag, hidden)
	f.words = append(f.words, c.word, secret)
	c.users = []string{"editor-" + c.word, "admin-" + c.word, "service-" + c.word, "viewer-" + c.word}
	editor := token(f.tb, c.name, c.users[0], auth.RoleEditor)
	admin := token(f.tb, c.name, c.users[1], auth.RoleAdmin)
	first := f.newConflict(c, editor, c.word)
	f.newConflict(c, token(f.tb, c.name, "editor-"+secret, auth.RoleEditor), secret)
	f.newProposal(c, editor)
	gone := f.request("PUT", "/v1/documents/note/gone-"+c.word, editor, `{"content":{"note":"`+c.word+`"}}`).want(f.tb, 201)
	f.request("DELETE", gone.Header.Get("Location"), admin, "").want(f.tb, 200)
	deleted := gone.JSON["id"].(string)
	c.documents = append(c.documents, deleted)
	doc, err := id.Parse(deleted)
	if err == nil {
		err = f.store.AwaitWipe(f.tb.Context(), store.DocKey{Company: c.name, Document: doc})
	}
	if err != nil {
		f.tb.Fatal(err)
	}
	f.reject(c.name, c.users[0], f.round)
	f.request("POST", "/v1/revocations", admin, `{"kind":"token","id":"`+c.word+`"}`, "Content-Type: application/json").want(f.tb, 200)
	c.learn(f, admin, secret)
	f.newEvents(c, secret)
	c.hire(f, first, secret)
	return c
}

// newConflict makes a document with a conflict, and returns its ID.
func (f *fuzzer) newConflict(c *fuzzCompany, editor, word string) string {
	f.tb.Helper()
	content := fmt.Sprintf(`{"content":{"customer":%q,"total":1,"lines":[{"id":"a","price":1,"text":%q}]}}`, word, word)
	made := f.request("PUT", "/v1/documents/invoice/"+word, editor, content, "Concord-Storage-Id: device-"+word).want(f.tb, 201)
	path := made.Header.Get("Location")
	doc, err := crdt.Load(f.request("GET", path+"/export", editor, "").want(f.tb, 200).Raw, crdt.Limits{})
	if err != nil {
		f.tb.Fatal(err)
	}
	f.request("PATCH", path+"?message="+word, editor, fmt.Sprintf(`{"total":2,"customer":"2 %s"}`, word), mergePatch).want(f.tb, 200)
	if err := edit(doc, word, func(tx *crdt.Tx) error {
		_, err := tx.SetAt("/total", 3)
		return err
	}); err != nil {
		f.tb.Fatal(err)
	}
	f.request("POST", "/v1/documents/import?id="+made.JSON["id"].(string), editor, string(doc.Save()), "Content-Type: "+octets).want(f.tb, 200)
	if c.file == nil {
		c.file = doc.Save()
	}
	found := f.request("GET", "/v1/conflicts?document="+made.JSON["id"].(string), editor, "").want(f.tb, 200)
	conflict := found.JSON["conflicts"].([]any)[0].(map[string]any)["id"].(string)
	f.request("POST", "/v1/conflicts/"+conflict+"/comments", editor, `{"text":"comment `+word+`"}`, "Content-Type: application/json").want(f.tb, 200)
	return made.JSON["id"].(string)
}

// edit changes a document as a new device.
func edit(doc *crdt.Doc, message string, fn func(*crdt.Tx) error) error {
	actor, err := crdt.NewActor(randomBytes{})
	if err != nil {
		return err
	}
	doc.SetActor(actor)
	_, err = doc.Edit(crdt.EditOptions{Message: message}, fn)
	return err
}

// newProposal makes an edit that a rule undoes.
func (f *fuzzer) newProposal(c *fuzzCompany, editor string) {
	f.tb.Helper()
	order := f.request("PUT", "/v1/documents/order/"+c.word, editor, `{"content":{"approved":true,"total":50,"note":"`+c.word+`"}}`).want(f.tb, 201)
	f.request("PATCH", order.Header.Get("Location"), editor, `{"total":40}`, mergePatch).want(f.tb, 200)
}

// newEvents publishes events, one of them about the hidden document.
func (f *fuzzer) newEvents(c *fuzzCompany, secret string) {
	f.tb.Helper()
	service := token(f.tb, c.name, c.users[2], auth.RoleService)
	hidden := f.request("GET", "/v1/documents?type=invoice&ref="+secret, service, "").want(f.tb, 200).JSON["documents"].([]any)[0].(map[string]any)["id"].(string)
	body := fmt.Sprintf(`{"events":[{"type":"invoice:paid","room":"company:%s","receipts":true,"data":{"ref":%q}},`+
		`{"type":"invoice:paid","room":"user:%s","receipts":true,"data":{"ref":%q}},`+
		`{"type":"invoice:paid","room":"company:%s","document":%q,"data":{"ref":%q}}]}`, c.name, c.word, c.users[0], c.word, c.name, hidden, secret)
	made := f.request("POST", "/v1/events", service, body, "Content-Type: application/json", "Idempotency-Key: "+c.word).want(f.tb, 200)
	for _, e := range made.JSON["events"].([]any)[:2] {
		c.events = append(c.events, e.(map[string]any)["id"].(string))
	}
	c.cursor = made.JSON["events"].([]any)[0].(map[string]any)["cursor"].(string)
	f.request("POST", "/v1/events/read", token(f.tb, c.name, c.users[0], auth.RoleEditor), fmt.Sprintf(`{"ids":[%q]}`, c.events[0]), "Content-Type: application/json").want(f.tb, 204)
}

// learn collects what callers know, of all but the hidden document.
func (c *fuzzCompany) learn(f *fuzzer, admin, secret string) {
	f.tb.Helper()
	list := f.request("GET", "/v1/documents", admin, "").want(f.tb, 200)
	for _, d := range list.JSON["documents"].([]any) {
		d := d.(map[string]any)
		if d["ref"] == secret {
			continue
		}
		c.documents = append(c.documents, d["id"].(string))
		for _, h := range d["heads"].([]any) {
			c.heads = append(c.heads, h.(string))
		}
		found := f.request("GET", "/v1/conflicts?values=true&document="+d["id"].(string), admin, "").want(f.tb, 200)
		for _, x := range found.JSON["conflicts"].([]any) {
			x := x.(map[string]any)
			c.conflicts = append(c.conflicts, x["id"].(string))
			for _, v := range x["values"].([]any) {
				c.ops = append(c.ops, v.(map[string]any)["op"].(string))
				c.heads = append(c.heads, v.(map[string]any)["change"].(string))
			}
		}
	}
	if len(c.documents) < 3 || len(c.conflicts) < 2 {
		f.tb.Fatalf("documents %v, conflicts %v", c.documents, c.conflicts)
	}
}

// hire gives a company its callers.
func (c *fuzzCompany) hire(f *fuzzer, first, secret string) {
	f.tb.Helper()
	add := func(name string, claims auth.Claims) {
		f.tb.Helper()
		claims.Company = c.name
		live := claims.Expires.IsZero()
		if live {
			claims.Expires = time.Now().Add(time.Hour)
		}
		by := fuzzCaller{name: c.name + " " + name, token: signed(f.tb, claims), known: live, writes: live && claims.Role != auth.RoleViewer}
		if live {
			by.mayRead = []string{c.word}
		}
		if live && claims.Docs == nil {
			by.mayRead = append(by.mayRead, secret)
		}
		c.callers = append(c.callers, by)
	}
	for i, role := range []auth.Role{auth.RoleEditor, auth.RoleAdmin, auth.RoleService, auth.RoleViewer} {
		add(string(role), auth.Claims{Subject: c.users[i], Role: role})
		add("narrowed "+string(role), auth.Claims{Subject: c.users[i], Role: role, Docs: []string{first}})
	}
	add("admin", auth.Claims{Subject: c.users[1], Role: auth.RoleAdmin})
	add("expired admin", auth.Claims{Subject: c.users[1], Role: auth.RoleAdmin, IssuedAt: time.Now().Add(-2 * time.Hour), Expires: time.Now().Add(-time.Hour)})
	for name, token := range map[string]string{"nobody": "", "forged admin": strings.TrimRight(c.callers[1].token, "A") + "B"} {
		c.callers = append(c.callers, fuzzCaller{name: name, token: token})
	}
}
