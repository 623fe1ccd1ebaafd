package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"concord/internal/testkit/node"
	"concord/internal/testkit/stock"
)

// An offline edit of an invoice that was posted meanwhile is undone on all devices; somebody with the role accepts it.
func TestGuards(t *testing.T) {
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	text := "guards:\n  - name: final\n    type: invoice\n    when: /status == posted\n    lock: [/total, /status]\n    except: {roles: [accountant]}\n"
	if err := os.WriteFile(rules, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, m := range mixes {
		t.Run(m.name, func(t *testing.T) {
			o := &office{t: t, node: node.Start(t, node.Options{Args: []string{"--rules", rules}}), mix: m}
			var made struct{ URL string }
			o.call("erp", nil, http.MethodPut, "/v1/documents/invoice/4711", `{"content": {"status": "draft", "total": 100, "note": ""}}`, &made)
			url := made.URL
			mobile, desk := o.client("ann"), o.client("bob")
			mobile.FindReady(url)
			desk.FindReady(url)

			mobile.Disconnect()
			mobile.Change(url, stock.Set(stock.P("total"), 90), stock.Set(stock.P("note"), "rebate"))
			desk.Change(url, stock.Set(stock.P("status"), "posted"))
			waitFor(t, func() bool {
				var doc struct{ Content map[string]any }
				o.call("erp", nil, http.MethodGet, "/v1/documents/"+strings.TrimPrefix(url, "automerge:"), "", &doc)
				return doc.Content["status"] == "posted"
			})
			mobile.Connect()

			var page struct {
				Conflicts []struct{ ID, Rule, Path, Status string }
			}
			waitFor(t, func() bool {
				o.call("erp", nil, http.MethodGet, "/v1/conflicts?kind=guarded", "", &page)
				return len(page.Conflicts) > 0
			})
			got := converge(t, url, mobile, desk)
			if got["total"] != float64(100) || got["status"] != "posted" || got["note"] != "rebate" {
				t.Errorf("the invoice is %v", got)
			}
			p := page.Conflicts[0]
			if len(page.Conflicts) != 1 || p.Rule != "final" || p.Path != "/total" || p.Status != "open" {
				t.Errorf("proposals: %+v", page.Conflicts)
			}

			accept := "/v1/conflicts/" + p.ID + "/accept"
			if code := o.call("ann", nil, http.MethodPost, accept, "", nil); code != http.StatusForbidden {
				t.Errorf("accepted by its author: %d", code)
			}
			if code := o.call("carol", []string{"accountant"}, http.MethodPost, accept, "", nil); code != http.StatusOK {
				t.Errorf("accepted by an accountant: %d", code)
			}
			waitFor(t, func() bool { return mobile.Get(url)["total"] == float64(90) })
			if got := converge(t, url, mobile, desk); got["total"] != float64(90) {
				t.Errorf("the invoice is %v", got)
			}
			if code := o.call("carol", []string{"accountant"}, http.MethodPost, "/v1/conflicts/"+p.ID+"/dismiss", "", nil); code != http.StatusConflict {
				t.Errorf("dismissed after it was accepted: %d", code)
			}
			mobile.Close()
			desk.Close()
			o.node.Stop()
			o.node.Check()
		})
	}
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(convergeTimeout); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not reached in %v", convergeTimeout)
		}
	}
}

// call makes a REST call and decodes the answer into out, if it isn't nil.
func (o *office) call(user string, roles []string, method, path, body string, out any) int {
	o.t.Helper()
	claims := node.Claims{Sub: user}
	if roles != nil {
		claims.Extra = map[string]any{"roles": roles}
	}
	return o.callAs(claims, method, path, body, out)
}

func (o *office) callAs(claims node.Claims, method, path, body string, out any) int {
	o.t.Helper()
	req, err := http.NewRequestWithContext(o.t.Context(), method, o.node.URL(path), strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+o.node.Token(claims))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && out != nil {
		if resp.StatusCode/100 != 2 {
			o.t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, b)
		}
		err = json.NewDecoder(bytes.NewReader(b)).Decode(out)
	}
	if err != nil {
		o.t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp.StatusCode
}
