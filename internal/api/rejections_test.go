package api

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"concord/internal/auth"
	"concord/store"
)

func (r *rig) reject(company, user string, n int) {
	r.tb.Helper()
	done := make(chan error, 1)
	if err := r.store.PutRejection(r.tb.Context(), store.Rejection{
		Company: company, User: user, Document: docA, Hash: store.Hash{0: byte(n), 1: 1}, Reason: "seq-gap", Detail: "d", Last: time.Unix(1, 0),
	}, func(err error) { done <- err }); err != nil {
		r.tb.Fatal(err)
	}
	if err := <-done; err != nil {
		r.tb.Fatal(err)
	}
}

func TestRejectionsByRole(t *testing.T) {
	r := newRig(t, settings{})
	for i := range 5 {
		r.reject("acme", "alice", i)
		r.reject("acme", "bob", 100+i)
		r.reject("other", "alice", 200+i)
	}
	users := func(company, user string, role auth.Role, query string) (users []string, last float64) {
		t.Helper()
		status, _, answer := r.call("GET", "/v1/rejections"+query, token(t, company, user, role), "")
		if status != 200 {
			t.Fatalf("%d %v", status, answer)
		}
		for _, e := range answer["rejections"].([]any) {
			e := e.(map[string]any)
			users = append(users, fmt.Sprint(e["user"]))
			last = e["seq"].(float64)
		}
		return users, last
	}
	own := slices.Repeat([]string{"alice"}, 5)
	all := slices.Repeat([]string{"bob", "alice"}, 5)
	for _, role := range []auth.Role{auth.RoleEditor, auth.RoleViewer} {
		if got, _ := users("acme", "alice", role, ""); !slices.Equal(got, own) {
			t.Errorf("%s sees %v", role, got)
		}
	}
	for _, role := range []auth.Role{auth.RoleAdmin, auth.RoleService} {
		if got, _ := users("acme", "boss", role, ""); !slices.Equal(got, all) {
			t.Errorf("%s sees %v", role, got)
		}
	}
	if got, _ := users("third", "alice", auth.RoleAdmin, ""); len(got) != 0 {
		t.Errorf("another company sees %v", got)
	}
	var paged []string
	for before := 0.0; ; {
		page, last := users("acme", "alice", auth.RoleEditor, fmt.Sprintf("?limit=2&before=%d", int(before)))
		if len(page) == 0 {
			break
		}
		paged, before = append(paged, page...), last
	}
	if !slices.Equal(paged, own) {
		t.Errorf("page by page: %v", paged)
	}
	if status, _, _ := r.call("GET", "/v1/rejections?limit=0", token(t, "acme", "alice", auth.RoleEditor), ""); status != 422 {
		t.Errorf("limit 0: %d", status)
	}
}
