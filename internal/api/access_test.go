package api

import (
	"net/http"
	"testing"

	"concord/internal/auth"
)

func TestEveryOperationWantsAToken(t *testing.T) {
	r := newRig(t, settings{})
	for _, op := range []struct{ method, path, body string }{
		{"POST", "/v1/tickets", ""},
		{"GET", "/v1/rejections", ""},
		{"GET", "/v1/revocations", ""},
		{"POST", "/v1/revocations", `{"kind":"user","id":"bob"}`},
	} {
		for _, bearer := range []string{"", "nonsense", token(t, "acme", "alice", auth.RoleAdmin) + "x"} {
			status, header, answer := r.call(op.method, op.path, bearer, op.body)
			if status != http.StatusUnauthorized || header.Get("WWW-Authenticate") == "" || answer["detail"] == "" ||
				header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s %s with %q: %d %v %v", op.method, op.path, bearer, status, header, answer)
			}
		}
	}
}

func TestOnlyAdminsRevoke(t *testing.T) {
	r := newRig(t, settings{})
	for _, role := range []auth.Role{auth.RoleViewer, auth.RoleEditor, auth.RoleService} {
		bearer := token(t, "acme", "u", role)
		if status, _, _ := r.call("POST", "/v1/revocations", bearer, `{"kind":"user","id":"bob"}`); status != http.StatusForbidden {
			t.Errorf("%s revokes: %d", role, status)
		}
		if status, _, _ := r.call("GET", "/v1/revocations", bearer, ""); status != http.StatusForbidden {
			t.Errorf("%s lists revocations: %d", role, status)
		}
	}
}

func TestOtherOriginsAreRefused(t *testing.T) {
	r := newRig(t, settings{origins: []string{"https://erp.example.com"}})
	for origin, want := range map[string]int{
		"https://erp.example.com":  http.StatusOK,
		"https://evil.example.com": http.StatusForbidden,
		"null":                     http.StatusForbidden,
		r.http.URL:                 http.StatusOK,
	} {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", r.http.URL+"/health", nil)
		req.Header.Set("Origin", origin)
		res, err := r.http.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %d, want %d", origin, res.StatusCode, want)
		}
	}
	req, _ := http.NewRequestWithContext(t.Context(), "GET", r.http.URL+"/v1/sync", nil)
	for k, v := range map[string]string{"Origin": "https://evil.example.com", "Connection": "Upgrade", "Upgrade": "websocket",
		"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Authorization": "Bearer " + token(t, "acme", "alice", auth.RoleEditor)} {
		req.Header.Set(k, v)
	}
	res, err := r.http.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("upgrade from another origin: %d", res.StatusCode)
	}
}
