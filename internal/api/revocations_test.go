package api

import (
	"net/http"
	"testing"

	"github.com/coder/websocket"

	"concord/internal/auth"
	"concord/sync/wire"
)

func TestRevocationReachesOpenConnectionsAndSurvivesARestart(t *testing.T) {
	r := newRig(t, settings{})
	admin, bob := token(t, "acme", "boss", auth.RoleAdmin), token(t, "acme", "bob", auth.RoleEditor)
	byUser := r.join(bob, "b")
	byToken := r.join(token(t, "acme", "carol", auth.RoleEditor), "c")
	namesake := r.join(token(t, "other", "bob", auth.RoleEditor), "b")
	for _, body := range []string{`{"kind":"user","id":"bob"}`, `{"kind":"token","id":"carol-token"}`} {
		if status, _, answer := r.call("POST", "/v1/revocations", admin, body); status != http.StatusOK || answer["by"] != "boss" {
			t.Fatalf("revoke %s: %d %v", body, status, answer)
		}
	}
	r.wantClosed(byUser, wire.CloseUnauthenticated)
	r.wantClosed(byToken, wire.CloseUnauthenticated)
	r.wantClosed(r.dial("/v1/sync", bob, websocket.DialOptions{}), wire.CloseUnauthenticated)
	r.send(namesake, wire.Request{SenderID: "b", Document: docA, Data: []byte{0x42, 0, 0, 0, 0}})
	if m, ok := r.receive(namesake).(wire.DocUnavailable); !ok {
		t.Errorf("the other company's bob: %#v", m)
	}
	if _, _, answer := r.call("GET", "/v1/revocations", token(t, "other", "boss", auth.RoleAdmin), ""); len(answer["revocations"].([]any)) != 0 {
		t.Errorf("another company sees %v", answer)
	}

	r.stop()
	again := newRig(t, settings{dir: r.dir})
	again.wantClosed(again.dial("/v1/sync", bob, websocket.DialOptions{}), wire.CloseUnauthenticated)
	if status, _, _ := again.call("GET", "/v1/rejections", bob, ""); status != http.StatusUnauthorized {
		t.Errorf("a revoked user lists rejections: %d", status)
	}
	if _, _, answer := again.call("GET", "/v1/revocations", admin, ""); len(answer["revocations"].([]any)) != 2 {
		t.Errorf("after the restart: %v", answer)
	}
}

func TestRevocationsThatCantBeMade(t *testing.T) {
	r := newRig(t, settings{})
	admin := token(t, "acme", "boss", auth.RoleAdmin)
	for _, body := range []string{`{"kind":"user","id":""}`, `{"kind":"planet","id":"x"}`, `{"kind":"user","id":"a\u0007b"}`, `{}`, `[]`, `{`} {
		status, header, answer := r.call("POST", "/v1/revocations", admin, body)
		if status != http.StatusUnprocessableEntity && status != http.StatusBadRequest || header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %v", body, status, answer)
		}
	}
}
