package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"concord/internal/auth"
)

// What is read on one device shows on the other, and its publisher knows.
func TestReadOnOneDeviceShowsOnTheOther(t *testing.T) {
	for _, via := range transports {
		t.Run(via, func(t *testing.T) {
			r := newRig(t, settings{})
			erp, bearer := token(t, "acme", "erp", auth.RoleService), token(t, "acme", "alice", auth.RoleViewer)
			phone, _ := r.hear(via, bearer, "phone", "", nil, nil)
			laptop, _ := r.hear(viaSocket, bearer, "laptop", "", nil, nil)
			publisher, _ := r.hear(via, erp, "backend", "", nil, nil)
			e := paid("user:alice", 1)
			e["receipts"] = true
			want := r.publish(erp, e)[0]
			laptop.event()
			laptop.say(map[string]any{"type": "read", "ids": []string{want}})
			phone.event()
			if m := phone.event(); m.Event.Type != "notification:read" || fmt.Sprint(m.Event.Data["ids"]) != "["+want+"]" {
				t.Errorf("the other device heard %+v", m)
			}
			if m := publisher.event(); m.Event.Type != "notification:receipt" {
				t.Errorf("the publisher heard %+v", m)
			}
			status, _, answer := r.call("GET", "/v1/events/"+want+"/receipts", erp, "")
			if read, _ := answer["read"].([]any); status != http.StatusOK || len(read) != 1 {
				t.Errorf("receipts: %d %v", status, answer)
			}
			if status, _, _ := r.call("GET", "/v1/events/"+want+"/receipts", bearer, ""); status != http.StatusNotFound {
				t.Errorf("receipts for somebody else: %d", status)
			}
		})
	}
}

func TestTypingIsHeardInTheDocumentsRoom(t *testing.T) {
	for _, via := range transports {
		t.Run(via, func(t *testing.T) {
			r := newRig(t, settings{})
			alice, bob := token(t, "acme", "alice", auth.RoleEditor), token(t, "acme", "bob", auth.RoleEditor)
			inside, _ := r.hear(via, alice, "d", "", []string{"document:" + docA.String()}, []string{"user:typing"})
			elsewhere, _ := r.hear(viaSocket, alice, "e", "", []string{"document:" + docB.String()}, nil)
			stranger, _ := r.hear(viaSocket, token(t, "globex", "bob", auth.RoleEditor), "d", "", []string{"document:" + docA.String()}, nil)
			said := map[string]any{"document": docA.String(), "field": "/total", "active": true}
			typist := r.hearer(viaSocket, bob)
			heard := make(chan told, 1)
			go func() { // a poll has to wait while it is told
				for {
					m, err := inside.next(context.Background())
					if err != nil || m.Type == "event" {
						heard <- m
						return
					}
				}
			}()
			if via != viaSocket {
				waitFor(t, "the listener waits", func() bool { return r.api.audience.count(via) == 1 })
				if status, _, answer := r.call("POST", "/v1/events/typing", bob, fmt.Sprintf(`{"document":%q,"field":"/total","active":true}`, docA)); status != http.StatusNoContent {
					t.Fatalf("%d %v", status, answer)
				}
			} else {
				said["type"] = "typing"
				typist.say(said)
			}
			m := <-heard
			if d := m.Event.Data; m.Event.Type != "user:typing" || m.Cursor != "" || d["user"] != "bob" || d["field"] != "/total" || d["active"] != true || m.Event.From != "bob" {
				t.Errorf("heard %+v", m)
			}
			_, _, present := r.call("GET", "/v1/presence?document="+docA.String(), alice, "")
			if users, _ := present["users"].([]any); len(users) != 1 || users[0].(map[string]any)["user"] != "bob" {
				t.Errorf("presence: %v", present)
			}
			for _, other := range []*listener{elsewhere, stranger} {
				other.say(map[string]any{"type": "ping"})
				for {
					m := other.heard()
					if m.Type == "pong" {
						break
					}
					if m.Event.Type == "user:typing" {
						t.Errorf("elsewhere heard %+v", m)
					}
				}
			}
		})
	}
}

func (r *rig) hearer(via, bearer string) *listener {
	r.tb.Helper()
	l, _ := r.hear(via, bearer, "d", "", nil, nil)
	return l
}

// Coming and going is told, and who is there is in the hello and to be had by a call.
func TestPresenceOfListeners(t *testing.T) {
	for _, via := range transports {
		t.Run(via, func(t *testing.T) {
			r := newRig(t, settings{grace: 50 * time.Millisecond})
			alice, bob := token(t, "acme", "alice", auth.RoleViewer), token(t, "acme", "bob", auth.RoleViewer)
			l, _ := r.hear(viaSocket, alice, "d", "", nil, []string{"user:*"})
			if m := l.heard(); m.Event.Type != "user:online" || m.Event.Data["user"] != "alice" {
				t.Errorf("heard %+v", m)
			}
			other, hello := r.hear(via, bob, "phone", "", nil, nil)
			if !slices.Equal(hello.Presence, []string{"alice", "bob"}) && via != viaPoll || via == viaPoll && !slices.Contains(hello.Presence, "alice") {
				t.Errorf("hello: %+v", hello)
			}
			if m := l.heard(); m.Event.Type != "user:online" || m.Event.Data["user"] != "bob" || m.Event.Room != "company:acme" {
				t.Errorf("heard %+v", m)
			}
			_, _, answer := r.call("GET", "/v1/presence?user=bob", alice, "")
			users := answer["users"].([]any)
			if len(users) != 1 || fmt.Sprint(users[0].(map[string]any)["devices"].([]any)[0].(map[string]any)["device"]) != "phone" {
				t.Errorf("presence: %v", answer)
			}
			if via == viaPoll {
				return // it lingers
			}
			switch ear := other.ear.(type) {
			case socketEar:
				ear.CloseNow()
			case streamEar:
				ear.body.Close()
			}
			if m := l.heard(); m.Event.Type != "user:offline" || m.Event.Data["user"] != "bob" {
				t.Errorf("heard %+v", m)
			}
		})
	}
}

func TestViewedDocumentsArePresence(t *testing.T) {
	r := newRig(t, settings{})
	l := r.hearer(viaSocket, token(t, "acme", "alice", auth.RoleViewer))
	viewed := func(docs ...string) {
		t.Helper()
		l.say(map[string]any{"type": "view", "documents": append([]string{}, docs...)})
		l.say(map[string]any{"type": "ping"})
		if m := l.answer(); m.Type != "pong" {
			t.Fatalf("%+v", m)
		}
		_, _, answer := r.call("GET", "/v1/presence?user=alice", token(t, "acme", "bob", auth.RoleViewer), "")
		device := answer["users"].([]any)[0].(map[string]any)["devices"].([]any)[0].(map[string]any)
		if got := device["documents"].([]any); len(got) != len(docs) || len(got) > 0 && got[0] != docs[0] {
			t.Errorf("viewed %v, want %v", got, docs)
		}
	}
	viewed(docA.String(), docB.String())
	viewed(docB.String())
	viewed()
}
