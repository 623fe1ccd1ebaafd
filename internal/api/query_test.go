package api

import (
	"net/url"
	"strings"
	"testing"

	"concord/internal/auth"
)

// No call is done with a part of its query: a slip in a filter's name would list,
// or delete, something else than was meant.
func TestQueriesAreTakenAsAWhole(t *testing.T) {
	r := newRig(t, settings{})
	admin := token(t, "acme", "alice", auth.RoleAdmin)
	made := r.request("PUT", "/v1/documents/invoice/1", admin, `{"content":{"a":1}}`).want(t, 201)
	_, operations := r.spec()
	tried := 0
	for _, op := range operations {
		if !strings.HasPrefix(op.path, "/v1/") {
			continue
		}
		tried++
		path := strings.NewReplacer("{id}", made.JSON["id"].(string), "{type}", "invoice", "{ref}", "2").Replace(op.path)
		got := r.request(op.method, path+"?typ=invoice", admin, "").want(t, 422)
		detail := got.JSON["detail"].(string)
		for _, p := range op.Parameters {
			if p.In == "query" && !strings.Contains(detail, p.Name) {
				t.Errorf("%s doesn't name %s: %s", op.OperationID, p.Name, detail)
			}
		}
		if !strings.Contains(detail, `"typ"`) {
			t.Errorf("%s doesn't name what is wrong: %s", op.OperationID, detail)
		}
		stranger := r.request(op.method, path+"?typ=invoice", "nonsense", "").want(t, 401)
		if strings.Contains(stranger.JSON["detail"].(string), "typ") {
			t.Errorf("%s explains itself to strangers: %s", op.OperationID, stranger.Raw)
		}
	}
	if tried < 20 {
		t.Errorf("only %d operations were tried", tried)
	}
	for query, status := range map[string]int{
		"type=invoice": 200, "type=invoice&": 200, "ty%70e=invoice": 200, "type=": 200,
		"type=invoice&type=order": 422, "deleted": 422, "deleted&type=invoice": 422, "Type=invoice": 422, "=": 422, "=invoice": 422,
		url.QueryEscape(strings.Repeat("x", 5000)) + "=": 422, "%00\u202e=1": 422, "type=invoice;ref=1": 401, "%zz=1": 401, // can't be read
	} {
		r.request("GET", "/v1/documents?"+query, admin, "").want(t, status)
	}
}
