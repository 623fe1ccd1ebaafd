package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/events"
	"concord/internal/testkit/node"
)

// listener hears events as they come.
type listener struct {
	t     *testing.T
	heard chan events.Event
}

// listen has a user hear events of some types, from this moment on.
func listen(t *testing.T, n *node.Node, user string, types string, rooms ...string) *listener {
	t.Helper()
	q := url.Values{"device": {"listener"}, "types": {types}, "rooms": {strings.Join(rooms, ",")}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.URL("/v1/events?"+q.Encode()), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+n.Token(node.Claims{Sub: user}))
	r.Header.Set("Accept", "text/event-stream")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{t: t, heard: make(chan events.Event, 10_000)}
	lines := bufio.NewScanner(res.Body)
	if !lines.Scan() || res.StatusCode != http.StatusOK { // the hello
		t.Fatalf("listen: %s", res.Status)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for lines.Scan() {
			data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data:"))
			var m struct {
				Type  string
				Event events.Event
			}
			if ok && json.Unmarshal(data, &m) == nil && m.Type == "event" {
				l.heard <- m.Event
			}
		}
	}()
	t.Cleanup(func() {
		res.Body.Close()
		<-done
	})
	return l
}

// all returns when events of a kind about each of the users were heard, in any order.
func (l *listener) all(kind string, users ...string) {
	l.t.Helper()
	var heard []string
	for _, user := range users {
		if !slices.Contains(heard, strings.TrimPrefix(kind, "user:")+" "+user) {
			heard = append(heard, l.until(kind, user)...)
		}
	}
}

// until returns what is heard up to an event about a user, that one included, without what concerns the listeners of
// this test: they are online themselves.
func (l *listener) until(kind, user string) (heard []string) {
	l.t.Helper()
	timeout := time.After(convergeTimeout)
	for {
		select {
		case e := <-l.heard:
			var data struct{ User string }
			if err := json.Unmarshal(e.Data, &data); err != nil {
				l.t.Fatal(err)
			}
			if data.User == "watcher" {
				continue
			}
			heard = append(heard, strings.TrimPrefix(e.Type, "user:")+" "+data.User)
			if e.Type == kind && data.User == user {
				return heard
			}
		case <-timeout:
			l.t.Fatalf("no %s of %s after %v, but %q", kind, user, convergeTimeout, heard)
		}
	}
}
