package api

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"concord/internal/auth"
)

func (r *rig) body(path string) string {
	r.tb.Helper()
	res, err := r.http.Client().Get(r.http.URL + path)
	if err != nil {
		r.tb.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		r.tb.Fatalf("%s: %d %v", path, res.StatusCode, err)
	}
	return string(b)
}

func TestWebSocketHealth(t *testing.T) {
	r := newRig(t, settings{})
	want := func(body string) {
		t.Helper()
		if got := strings.TrimSpace(r.body("/health/websocket")); got != body {
			t.Errorf("got %s, want %s", got, body)
		}
	}
	want(`{"status":"ok","service":"websocket","connectedClients":0}`)
	r.join(token(t, "acme", "alice", auth.RoleEditor), "a")
	want(`{"status":"ok","service":"websocket","connectedClients":1}`)
}

// Metrics are for whoever runs the node, not for its tenants: they name none.
func TestMetricsNameNoTenant(t *testing.T) {
	r := newRig(t, settings{})
	c := r.join(token(t, "acme-company", "alice-user", auth.RoleEditor), "peer-of-alice")
	_ = c.CloseNow()
	r.wantClosed(r.dial("/v1/sync", "", dialOptions), 4401)
	text := r.body("/metrics")
	for _, part := range []string{"acme-company", "alice-user", "peer-of-alice", docA.String(), "company=", "user=", "document="} {
		if strings.Contains(text, part) {
			t.Errorf("the metrics contain %q", part)
		}
	}
	for _, part := range []string{"concord_joins_total 1", `concord_connections_refused_total{code="4401"} 1`} {
		if !strings.Contains(text, part) {
			t.Errorf("the metrics lack %q", part)
		}
	}
}
