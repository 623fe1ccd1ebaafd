package documents

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"concord/internal/auth"
	"concord/internal/id"
	"concord/store"
)

func TestOpenMakesOneDocument(t *testing.T) {
	r := newRig(t)
	const callers = 30
	ids, made := make([]id.DocumentID, callers), make([]bool, callers)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			doc, first, err := r.Open(t.Context(), alice, "invoice", "1", Opening{Content: []byte(`{"n":1}`)})
			if err != nil {
				t.Error(err)
			}
			ids[i], made[i] = doc.ID, first
		})
	}
	all.Wait()
	first := 0
	for i := range ids {
		if ids[i] != ids[0] {
			t.Errorf("two documents: %s and %s", ids[i], ids[0])
		}
		if made[i] {
			first++
		}
	}
	if first != 1 {
		t.Errorf("%d callers made the document", first)
	}
	stored := 0
	if err := r.store.Documents("acme", id.DocumentID{}, func(store.DocumentInfo) error { stored++; return nil }); err != nil || stored != 1 {
		t.Errorf("%d documents are stored, %v", stored, err)
	}
	if doc := r.open(bob, "invoice", "1", `{"n":2}`); r.json(doc, At{}, "") != `{"n":1}` {
		t.Errorf("content was written twice: %s", r.json(doc, At{}, ""))
	}
	if other := r.open(user("x", auth.RoleEditor), "order", "1", `{}`); other.ID == ids[0] {
		t.Error("two types share a document")
	}
	if empty := r.open(alice, "order", "2", ``); len(empty.Heads) != 1 || r.json(empty, At{}, "") != `{}` {
		t.Errorf("an empty document: %+v", empty)
	}
}

func TestOpenRefuses(t *testing.T) {
	r := newRig(t)
	there := r.open(alice, "invoice", "1", `{}`)
	for _, c := range []struct {
		caller       Caller
		docType, ref string
		content      string
		want         error
	}{
		{alice, "Invoice", "1", `{}`, ErrInput},
		{alice, "", "1", `{}`, ErrInput},
		{alice, "1nvoice", "1", `{}`, ErrInput},
		{alice, strings.Repeat("a", 65), "1", `{}`, ErrInput},
		{alice, "invoice", "", `{}`, ErrInput},
		{alice, "invoice", "a\nb", `{}`, ErrInput},
		{alice, "invoice", "a\x00b", `{}`, ErrInput},
		{alice, "invoice", "\xff", `{}`, ErrInput},
		{alice, "invoice", strings.Repeat("a", 257), `{}`, ErrInput},
		{alice, "invoice", "2", `[]`, ErrInput},
		{alice, "invoice", "2", `{"a":}`, ErrInput},
		{alice, "invoice", "2", `{"a":1e999}`, ErrInput},
		{alice, "invoice", "2", `{"a":"` + strings.Repeat("x", 200_001) + `"}`, ErrTooLarge},
		{user("vera", auth.RoleViewer), "invoice", "2", `{}`, ErrForbidden},
		{user("nora", auth.RoleEditor, newID()), "invoice", "1", `{}`, ErrNotFound},
		{user("nora", auth.RoleEditor, newID()), "invoice", "2", `{}`, ErrNotFound},
		{user("nora", auth.RoleEditor, there.ID), "invoice", "1", `{}`, nil},
		{user("vera", auth.RoleViewer), "invoice", "1", `{}`, nil},
	} {
		_, made, err := r.Open(t.Context(), c.caller, c.docType, c.ref, Opening{Content: []byte(c.content)})
		if made || !errors.Is(err, c.want) {
			t.Errorf("%s %q %q: %v %v, want %v", c.caller.User, clip(c.docType), clip(c.ref), made, err, c.want)
		}
	}
}

// A token for some documents learns nothing of other documents' keys.
func TestNarrowImportsAreAllRefusedAlike(t *testing.T) {
	r := newRig(t)
	there := r.open(alice, "invoice", "1", `{}`)
	file, err := r.Export(t.Context(), alice, there.ID)
	if err != nil {
		t.Fatal(err)
	}
	narrow := user("nora", auth.RoleEditor, newID())
	_, taken := r.Import(t.Context(), narrow, Import{File: file, Type: "invoice", Ref: "1"})
	_, free := r.Import(t.Context(), narrow, Import{File: file, Type: "invoice", Ref: "2"})
	if !errors.Is(taken, ErrForbidden) || !errors.Is(free, ErrForbidden) || taken.Error() != free.Error() {
		t.Errorf("a key in use: %v; a free one: %v", taken, free)
	}
}
