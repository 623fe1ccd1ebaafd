package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"concord/internal/testkit/node"
)

// eventAPI is the node's API as one user calls it.
type eventAPI struct {
	t     *testing.T
	url   string
	token string
	http  *http.Client
}

func (r *eventRun) api(user, role string) *eventAPI {
	r.t.Helper()
	token := r.node.Token(node.Claims{Sub: user, Role: role, TTL: 3 * time.Hour})
	return &eventAPI{r.t, r.node.URL(""), token, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Second}, Timeout: syncTimeout}}
}

// call makes a call and reads the answer; false when there is none. Anything but success is a fault.
func (a *eventAPI) call(ctx context.Context, method, path, key string, in, out any) bool {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			a.t.Error(err)
			return false
		}
		body = bytes.NewReader(b)
	}
	request, err := http.NewRequestWithContext(ctx, method, a.url+path, body)
	if err != nil {
		a.t.Error(err)
		return false
	}
	request.Header.Set("Authorization", "Bearer "+a.token)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := a.http.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		return false
	}
	if response.StatusCode/100 != 2 {
		a.t.Errorf("%s %s: %s %s", method, path, response.Status, b)
		return false
	}
	if out == nil {
		return true
	}
	if err := json.Unmarshal(b, out); err != nil {
		a.t.Errorf("%s %s: %v in %s", method, path, err, b)
		return false
	}
	return true
}

// hear listens on a WebSocket until it is gone, and acknowledges what comes.
func (e *ear) hear(ctx context.Context, a *eventAPI) {
	c, _, err := websocket.Dial(ctx, a.url+"/v1/events", &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + a.token}}})
	if err != nil {
		return
	}
	defer c.CloseNow()
	c.SetReadLimit(1 << 20)
	hello := map[string]any{"type": "hello", "device": e.device}
	if e.types != "" {
		hello["types"] = []string{e.types}
	}
	if e.keeps {
		hello["cursor"] = e.cursor
	}
	if err := wsjson.Write(ctx, c, hello); err != nil {
		return
	}
	for n := 1; ; n++ {
		var m told
		if err := wsjson.Read(ctx, c, &m); err != nil {
			return
		}
		e.take(a.t, m)
		if n%20 == 0 {
			if err := wsjson.Write(ctx, c, map[string]any{"type": "ack", "cursor": e.cursor}); err != nil {
				return
			}
		}
	}
}
