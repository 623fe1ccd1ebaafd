package api

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/coder/websocket"

	"concord/internal/auth"
	"concord/sync/wire"
)

func (r *rig) ticket(bearer string) string {
	r.tb.Helper()
	status, header, answer := r.call("POST", "/v1/tickets", bearer, "")
	text, _ := answer["ticket"].(string)
	if status != http.StatusOK || text == "" || answer["expires"] == "" || header.Get("Cache-Control") != "no-store" {
		r.tb.Fatalf("ticket: %d %v %v", status, header, answer)
	}
	return "ticket=" + url.QueryEscape(text)
}

func TestTicketOpensOneWebSocket(t *testing.T) {
	r := newRig(t, settings{})
	path := "/v1/sync?" + r.ticket(token(t, "acme", "alice", auth.RoleEditor))
	c := r.dial(path, "", websocket.DialOptions{})
	r.send(c, wire.Join{SenderID: "a"})
	if m, ok := r.receive(c).(wire.Peer); !ok {
		t.Fatalf("got %#v", m)
	}
	r.wantClosed(r.dial(path, "", websocket.DialOptions{}), wire.CloseUnauthenticated)
}

// A ticket shows in URLs: whoever finds an unused one mustn't get more than one connection.
func TestTicketBuysNothingElse(t *testing.T) {
	r := newRig(t, settings{})
	admin := token(t, "acme", "boss", auth.RoleAdmin)
	for _, op := range [][2]string{{"POST", "/v1/tickets"}, {"GET", "/v1/revocations"}} {
		if status, _, answer := r.call(op[0], op[1]+"?"+r.ticket(admin), "", ""); status != http.StatusUnauthorized {
			t.Errorf("%s with a ticket: %d %v", op, status, answer)
		}
	}
}

func TestTicketFromBeforeARevocation(t *testing.T) {
	r := newRig(t, settings{})
	path := "/v1/sync?" + r.ticket(token(t, "acme", "bob", auth.RoleEditor))
	if status, _, answer := r.call("POST", "/v1/revocations", token(t, "acme", "boss", auth.RoleAdmin), `{"kind":"user","id":"bob"}`); status != http.StatusOK {
		t.Fatalf("revoke: %d %v", status, answer)
	}
	r.wantClosed(r.dial(path, "", websocket.DialOptions{}), wire.CloseUnauthenticated)
}
