package documents

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"concord/internal/auth"
	"concord/internal/id"
)

// list returns the keys of all pages, and how many pages there were.
func (r *rig) list(c Caller, f Filter) (keys []string, pages int) {
	r.tb.Helper()
	for {
		page, err := r.List(r.tb.Context(), c, f)
		if err != nil {
			r.tb.Fatal(err)
		}
		pages++
		for _, d := range page.Documents {
			keys = append(keys, d.Type+d.Ref)
		}
		if len(page.Documents) > f.Limit {
			r.tb.Errorf("%d documents in a page of %d", len(page.Documents), f.Limit)
		}
		if page.Next == "" {
			return keys, pages
		}
		f.Cursor = page.Next
	}
}

func TestListFilters(t *testing.T) {
	r := newRig(t)
	var docs []Document
	for i := range 4 {
		r.tick()
		docs = append(docs, r.open(alice, "invoice", fmt.Sprint(i), `{}`), r.open(bob, "order", fmt.Sprint(i), `{}`))
	}
	late := r.tick()
	r.merge(bob, docs[2], `{"a":1}`) // invoice1
	if _, _, err := r.Open(t.Context(), Caller{Principal: auth.Principal{Company: "other", User: "alice", Role: auth.RoleAdmin}}, "invoice", "9", Opening{}); err != nil {
		t.Fatal(err)
	}
	byID := func(keys ...string) []string { slices.Sort(keys); return keys }
	for _, c := range []struct {
		name   string
		caller Caller
		filter Filter
		want   []string
	}{
		{"all", alice, Filter{}, byID("invoice0", "invoice1", "invoice2", "invoice3", "order0", "order1", "order2", "order3")},
		{"type", alice, Filter{Type: "invoice"}, []string{"invoice0", "invoice1", "invoice2", "invoice3"}},
		{"part of a type", alice, Filter{Type: "invoic"}, nil},
		{"ref", alice, Filter{Type: "invoice", Ref: "2"}, []string{"invoice2"}},
		{"no such ref", alice, Filter{Type: "invoice", Ref: "9"}, nil},
		{"editor", alice, Filter{EditedBy: "bob"}, byID("invoice1", "order0", "order1", "order2", "order3")},
		{"editor and type", alice, Filter{EditedBy: "bob", Type: "invoice"}, []string{"invoice1"}},
		{"no such editor", alice, Filter{EditedBy: "nobody"}, nil},
		{"time", alice, Filter{ChangedSince: late}, []string{"invoice1"}},
		{"time and type", alice, Filter{ChangedSince: late, Type: "order"}, nil},
		{"narrowed", user("nora", auth.RoleViewer, docs[0].ID, docs[1].ID, newID()), Filter{}, byID("invoice0", "order0")},
		{"narrowed and type", user("nora", auth.RoleViewer, docs[0].ID, docs[1].ID), Filter{Type: "order"}, []string{"order0"}},
		{"narrowed and editor", user("nora", auth.RoleViewer, docs[0].ID, docs[1].ID), Filter{EditedBy: "bob"}, []string{"order0"}},
		{"narrowed away", user("nora", auth.RoleViewer, docs[0].ID), Filter{Type: "order", Ref: "0"}, nil},
		{"nothing granted", Caller{Principal: auth.Principal{Company: "acme", User: "n", Role: auth.RoleAdmin, Docs: []string{}}}, Filter{}, nil},
	} {
		for _, limit := range []int{1, 3, 100} {
			c.filter.Limit = limit
			got, pages := r.list(c.caller, c.filter)
			if c.filter.Type == "" {
				slices.Sort(got)
			}
			if !slices.Equal(got, c.want) || pages > len(c.want)/limit+1 {
				t.Errorf("%s, %d a page: %v in %d pages, want %v", c.name, limit, got, pages, c.want)
			}
		}
	}
}

func TestListSaysWhoWasLast(t *testing.T) {
	r := newRig(t)
	doc := r.open(alice, "invoice", "1", `{}`)
	when := r.tick()
	doc = r.merge(bob, doc, `{"a":1}`)
	for _, f := range []Filter{{Limit: 10}, {Limit: 10, Type: "invoice"}, {Limit: 10, Type: "invoice", Ref: "1"}, {Limit: 10, EditedBy: "alice"}} {
		page, err := r.List(t.Context(), alice, f)
		if err != nil || len(page.Documents) != 1 {
			t.Fatalf("%+v: %+v %v", f, page, err)
		}
		d := page.Documents[0]
		if d.ID != doc.ID || d.Changes != 2 || d.Bytes == 0 || !slices.Equal(d.Heads, doc.Heads) ||
			d.Last.User != "bob" || d.Last.Device != "bob-phone" || !d.Last.Received.Equal(when) {
			t.Errorf("%+v: %+v", f, d)
		}
	}
}

// What takes long to find comes in pages that may be empty.
func TestListLooksAtSomeDocumentsOnly(t *testing.T) {
	r := newRig(t)
	r.maxLooked = 4
	for i := range 10 {
		r.open(alice, "invoice", fmt.Sprint(i), ``)
	}
	late := r.tick()
	r.open(alice, "invoice", "last", ``)
	for _, f := range []Filter{{Limit: 100, ChangedSince: late}, {Limit: 100, ChangedSince: late, Type: "invoice"}} {
		page, err := r.List(t.Context(), alice, f)
		if err != nil || page.Next == "" {
			t.Errorf("%+v: %+v %v", f, page, err)
		}
		if keys, pages := r.list(alice, f); !slices.Equal(keys, []string{"invoicelast"}) || pages != 3 {
			t.Errorf("%+v: %v in %d pages", f, keys, pages)
		}
	}
}

func TestListRefuses(t *testing.T) {
	r := newRig(t)
	doc := r.open(alice, "invoice", "1", `{}`)
	r.open(alice, "invoice", "2", `{}`)
	page, err := r.List(t.Context(), alice, Filter{Limit: 1, Type: "invoice"})
	if err != nil || page.Next == "" {
		t.Fatal(page, err)
	}
	for _, f := range []Filter{
		{Ref: "1"}, {Type: "X"}, {Type: "invoice", Ref: "\n"}, {Cursor: "?"}, {Cursor: page.Next}, {Cursor: newCursor(cursorDocuments, []byte{1})},
		{Cursor: newCursor(cursorDocuments, nil)}, {Cursor: newCursor(cursorDeleted, doc.ID[:])},
		{Type: "invoice", Cursor: newCursor(cursorRefs, []byte(strings.Repeat("x", 300)))},
	} {
		f.Limit = 1
		if _, err := r.List(t.Context(), alice, f); !errors.Is(err, ErrInput) {
			t.Errorf("%+v: %v", f, err)
		}
	}
	if _, err := r.List(t.Context(), alice, Filter{Limit: 1, Cursor: newCursor(cursorDocuments, make([]byte, len(id.DocumentID{})))}); err != nil {
		t.Error(err)
	}
}
