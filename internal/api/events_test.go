package api

import (
	"fmt"
	"testing"

	"concord/internal/auth"
)

func TestEventsOverEachTransport(t *testing.T) {
	for _, via := range transports {
		t.Run(via, func(t *testing.T) {
			r := newRig(t, settings{})
			erp := token(t, "acme", "erp", auth.RoleService)
			bearer := token(t, "acme", "alice", auth.RoleViewer)
			l, hello := r.hear(via, bearer, "till", "", nil, nil)
			if hello.Device != "till" || hello.Cursor == "" || !hello.Recovered || fmt.Sprint(hello.Rooms) != "[user:alice company:acme]" || fmt.Sprint(hello.Presence) != "[alice]" {
				t.Errorf("hello: %+v", hello)
			}
			var last told
			for i := range 10 {
				room := []string{"company:acme", "user:alice"}[i%2]
				id := r.publish(erp, paid(room, i), paid("user:bob", 99))[0]
				last = l.event()
				if last.Event.ID != id || last.Event.Room != room || last.Event.From != "erp" || last.Event.Data["ref"] != fmt.Sprint(i) || last.Cursor == "" {
					t.Errorf("event %d: %+v", i, last)
				}
			}
			// Away for a while, with a cursor and without.
			r.publish(erp, paid("user:alice", 10), paid("company:acme", 11))
			again, hello := r.hear(via, bearer, "till", last.Cursor, nil, nil)
			if !hello.Recovered {
				t.Errorf("hello: %+v", hello)
			}
			for i := 10; i < 12; i++ {
				if m := again.event(); m.Event.Data["ref"] != fmt.Sprint(i) {
					t.Errorf("after a while: %+v", m)
				}
			}
		})
	}
}
