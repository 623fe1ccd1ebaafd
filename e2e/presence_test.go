package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/internal/testkit/node"
	"concord/internal/testkit/stock"
)

const (
	cameOnline  = "user:online"
	wentOffline = "user:offline"
)

// With these, half-open connections are noticed and users go offline within seconds.
var quickPresence = []string{"--presence-grace", "2s", "--ping-interval", "300", "--ping-timeout", "700"}

// presence returns who GET /v1/presence lists, with their devices' documents.
func (o *office) presence(query string) (list []string) {
	o.t.Helper()
	r, err := http.NewRequestWithContext(o.t.Context(), http.MethodGet, o.node.URL("/v1/presence"+query), nil)
	if err != nil {
		o.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+o.node.Token(node.Claims{Sub: "watcher"}))
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		o.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		o.t.Fatalf("presence: %s %s %v", res.Status, body, err)
	}
	var answer struct {
		Users []struct {
			User    string
			Online  bool
			Devices []struct{ Documents []string }
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		o.t.Fatalf("%s: %v", body, err)
	}
	for _, u := range answer.Users {
		line := u.User + " offline"
		if u.Online {
			line = u.User
			for _, d := range u.Devices {
				line += " [" + strings.Join(d.Documents, " ") + "]"
			}
		}
		if u.User != "watcher" {
			list = append(list, line)
		}
	}
	return list
}

// Reconnects, on one device or over several, tell nobody anything; ghost shows that the time for it has passed.
func TestPresenceOfReconnects(t *testing.T) {
	t.Parallel()
	o := &office{t: t, node: node.Start(t, node.Options{Args: quickPresence}), mix: mixes[2]}
	l := listen(t, o.node, "watcher", "user:*")
	ann, ghost := o.client("ann"), o.client("ghost")
	phone := o.open("ann's phone", o.options("ann"))
	phone.WaitConnected(1)
	l.until(cameOnline, "ghost")
	url := ann.Create(invoice())
	phone.FindReady(url)
	eventually(t, "both devices are listed with their document", func() bool {
		doc := documentOf(url)
		return slices.Contains(o.presence("?document="+doc), "ann ["+doc+"] ["+doc+"]")
	})

	phone.Disconnect()
	for range 5 {
		ann.Unplug()
		ann.Connect()
		ann.WaitConnected(1)
	}
	ann.Unplug()
	ghost.Unplug()
	ann.Connect()
	want(t, "until ghost is offline", l.until(wentOffline, "ghost"), []string{"offline ghost"})
	want(t, "who is there", o.presence(""), []string{"ann [" + documentOf(url) + "]"})
	want(t, "ghost", o.presence("?user=ghost"), []string{"ghost offline"})

	ann.Unplug()
	want(t, "until ann is offline", l.until(wentOffline, "ann"), []string{"offline ann"})
	ghost.Connect()
	ann.Connect()
	want(t, "until ann is back", len(l.until(cameOnline, "ann")) <= 2, true)
}

// A program that is killed says nothing, nor does one whose network is gone.
func TestPresenceOfThoseWhoVanish(t *testing.T) {
	t.Parallel()
	o := &office{t: t, node: node.Start(t, node.Options{Args: quickPresence}), mix: mixes[0]}
	l := listen(t, o.node, "watcher", "user:*")
	doomed := stock.Start(t, stock.V1)
	killed := doomed.Client(t, "killed", o.options("killed"))
	killed.WaitConnected(1)
	l.until(cameOnline, "killed")
	doomed.Kill()
	want(t, "after the kill", l.until(wentOffline, "killed"), []string{"offline killed"})

	proxy := node.NewProxy(t, o.node.Address)
	options := o.options("tunnel")
	options.URL = proxy.SyncURL()
	tunnel := o.open("tunnel", options)
	tunnel.WaitConnected(1)
	proxy.Mute()
	want(t, "after the silence", l.until(wentOffline, "tunnel"), []string{"online tunnel", "offline tunnel"})
}

// A restart, also by a kill, tells nothing of those who come back.
func TestPresenceOverRestarts(t *testing.T) {
	t.Parallel()
	o := &office{t: t, node: node.Start(t, node.Options{Args: quickPresence}), mix: mixes[2]}
	for i, stop := range []func(){o.node.Stop, o.node.Kill} {
		ghostName := []string{"ghost", "spectre"}[i]
		l := listen(t, o.node, "watcher", "user:*")
		var clients []*stock.Client
		for _, user := range []string{"ann", "bob", "cid"} {
			c := o.open(user+" of "+ghostName, o.options(user))
			clients = append(clients, c)
		}
		ghost := o.client(ghostName)
		for _, c := range clients {
			c.WaitConnected(1)
		}
		l.all(cameOnline, ghostName, "ann", "bob", "cid") // what a kill keeps from being told is told after it
		want(t, "who has come", len(o.presence("")), 4)
		stop()
		ghost.Abandon()
		o.node.Run()
		l = listen(t, o.node, "watcher", "user:*")
		for _, c := range clients {
			c.WaitConnected(2)
		}
		want(t, "until "+ghostName+" is offline", l.until(wentOffline, ghostName), []string{"offline " + ghostName})
		want(t, "who is there", len(o.presence("")), 3)
		for _, c := range clients {
			c.Abandon()
		}
		l.all(wentOffline, "ann", "bob", "cid")
	}
}

// What automerge-repo's Presence tells goes to the others as it is, and makes nobody typing or offline.
func TestPresenceOfAutomergeRepo(t *testing.T) {
	t.Parallel()
	o := &office{t: t, node: node.Start(t, node.Options{Args: quickPresence}), mix: mixes[0]}
	l := listen(t, o.node, "watcher", "user:*")
	ann, bob := o.client("ann"), o.client("bob")
	url := ann.Create(invoice())
	bob.FindReady(url)
	const heartbeat, ttl = 200 * time.Millisecond, 3 * time.Second
	ann.StartPresence(url, map[string]any{"name": "Ann", "cursor": 1.0}, heartbeat, ttl)
	bob.StartPresence(url, map[string]any{"name": "Bob", "cursor": 2.0}, heartbeat, ttl)
	annID, bobID := ann.Identity().PeerID, bob.Identity().PeerID
	eventually(t, "both know each other", func() bool {
		return len(ann.Presence(url)) == 1 && len(bob.Presence(url)) == 1
	})
	for i := range 20 {
		ann.SetPresence(url, "cursor", float64(10+i))
		bob.Change(url, stock.Increment(stock.P("views"), 1))
	}
	eventually(t, "the last state has come", func() bool {
		state, ok := bob.Presence(url)[annID].(map[string]any)
		return ok && state["name"] == "Ann" && state["cursor"] == 29.0
	})
	if _, ok := ann.Presence(url)[bobID]; !ok {
		t.Errorf("bob is unknown: %v", ann.Presence(url))
	}
	bob.Unplug()
	// Only who has forgotten another tells it of itself when it hears of it.
	eventually(t, "who is cut off is forgotten", func() bool { return len(ann.Presence(url))+len(bob.Presence(url)) == 0 })
	want(t, "what the server tells", l.until(wentOffline, "bob"), []string{"online ann", "online bob", "offline bob"})
	bob.Connect()
	eventually(t, "who is back is known again", func() bool { return len(ann.Presence(url)) == 1 })
	ann.StopPresence(url)
	eventually(t, "goodbye", func() bool { return len(bob.Presence(url)) == 0 })
	agree(t, url, ann, bob)
}

// Typing is told to who has the document's room, and ends by itself.
func TestTypingExpires(t *testing.T) {
	t.Parallel()
	o := &office{t: t, node: node.Start(t, node.Options{Args: append(slices.Clone(quickPresence), "--typing-expiry", "300ms")}), mix: mixes[0]}
	ann := o.client("ann")
	url := ann.Create(invoice())
	l := listen(t, o.node, "watcher", "user:typing", "document:"+documentOf(url))
	typeIn := func() {
		body := `{"document":"` + url + `","field":"/total","active":true,"device":"desk"}`
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, o.node.URL("/v1/events/typing"), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+o.node.Token(node.Claims{Sub: "ann"}))
		r.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusNoContent {
			t.Fatalf("typing: %s", res.Status)
		}
	}
	for _, active := range []bool{true, false, true, false} {
		if active {
			typeIn()
		}
		select {
		case e := <-l.heard:
			var data map[string]any
			if err := json.Unmarshal(e.Data, &data); err != nil {
				t.Fatal(err)
			}
			want(t, "typing", data, map[string]any{"user": "ann", "document": documentOf(url), "field": "/total", "active": active})
		case <-time.After(convergeTimeout):
			t.Fatalf("nothing is told of typing, active %v", active)
		}
	}
}
