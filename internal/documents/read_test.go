package documents

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/crdt"
	"concord/internal/auth"
)

func TestTimeTravel(t *testing.T) {
	r := newRig(t)
	start := r.tick()
	doc := r.open(alice, "invoice", "1", `{"n":0,"text":"ab"}`)
	states, times := []Document{doc}, []time.Time{start}
	want := []string{`{"n":0,"text":"ab"}`}
	for _, step := range [][2]string{{`{"n":1}`, `{"n":1,"text":"ab"}`}, {`{"text":"abc"}`, `{"n":1,"text":"abc"}`}, {`{"n":null}`, `{"text":"abc"}`}} {
		times = append(times, r.tick())
		states = append(states, r.merge(bob, doc, step[0]))
		want = append(want, step[1])
	}
	look := func() {
		t.Helper()
		for i := range states {
			if got := r.json(doc, At{Heads: states[i].Heads}, ""); got != want[i] {
				t.Errorf("at heads of state %d: %s, want %s", i, got, want[i])
			}
			for _, after := range []time.Duration{0, time.Second} {
				if got := r.json(doc, At{Time: times[i].Add(after)}, ""); got != want[i] {
					t.Errorf("at time of state %d: %s, want %s", i, got, want[i])
				}
			}
		}
	}
	look()
	r.snapshot(doc)
	look()
	if got := r.json(doc, At{Heads: states[0].Heads}, "/text"); got != `"ab"` {
		t.Errorf("a part of the past: %s", got)
	}
	for _, c := range []struct {
		at   At
		path string
		want error
	}{
		{At{Time: start.Add(-time.Second)}, "", ErrNotFound},
		{At{Heads: []crdt.Hash{{1}}}, "", ErrNotFound},
		{At{Heads: doc.Heads, Time: start}, "", ErrInput},
		{At{}, "/n", ErrNotFound},
		{At{}, "/text/0", ErrNotFound},
		{At{}, "n", ErrInput},
		{At{}, "/~", ErrInput},
		{At{}, strings.Repeat("/a", 2000), ErrInput},
	} {
		if _, err := r.Get(t.Context(), alice, doc.ID, Wanted{At: c.at, Path: c.path}); !errors.Is(err, c.want) {
			t.Errorf("%+v %q: %v, want %v", c.at, clip(c.path), err, c.want)
		}
	}
}

func TestGetAnswersWhatIsMissingOnly(t *testing.T) {
	r := newRig(t)
	doc := r.open(alice, "invoice", "1", `{"a":1}`)
	has := func(tag string) bool { return tag == Tag(doc.Heads) }
	c, err := r.Get(t.Context(), alice, doc.ID, Wanted{Has: has})
	if err != nil || c.JSON != nil || !slices.Equal(c.Heads, doc.Heads) {
		t.Errorf("%+v %v", c, err)
	}
	r.merge(bob, doc, `{"a":2}`)
	if c, err = r.Get(t.Context(), alice, doc.ID, Wanted{Has: has}); err != nil || string(c.JSON) != `{"a":2}` || c.Last.User != "bob" {
		t.Errorf("%+v %v", c, err)
	}
}

func TestPatchDemandsAState(t *testing.T) {
	r := newRig(t)
	doc := r.open(alice, "invoice", "1", `{"a":1}`)
	is := func(heads []crdt.Hash) func(string) bool { return func(tag string) bool { return tag == Tag(heads) } }
	next, err := r.Patch(t.Context(), alice, doc.ID, Patch{Body: []byte(`{"a":2}`), Match: is(doc.Heads)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Patch(t.Context(), alice, doc.ID, Patch{Body: []byte(`{"a":3}`), Match: is(doc.Heads)})
	var own *Error
	if !errors.As(err, &own) || own.Kind != ErrChanged || !slices.Equal(own.Heads, next.Heads) {
		t.Errorf("a second patch of the same state: %v", err)
	}
	if got := r.json(doc, At{}, ""); got != `{"a":2}` {
		t.Errorf("%s", got)
	}
	same, err := r.Patch(t.Context(), alice, doc.ID, Patch{Body: []byte(`{"a":2}`)})
	if err != nil || !slices.Equal(same.Heads, next.Heads) {
		t.Errorf("a patch that changes nothing: %v %v", same.Heads, err)
	}
	if _, err = r.Patch(t.Context(), alice, doc.ID, Patch{Kind: JSONPatch, Body: []byte(`[{"op":"add","path":"/b","value":1},{"op":"test","path":"/a","value":1}]`)}); !errors.Is(err, ErrConflict) {
		t.Errorf("a failing test: %v", err)
	}
	if got := r.json(doc, At{}, ""); got != `{"a":2}` {
		t.Errorf("a patch was done in part: %s", got)
	}
}

func TestTagsOfManyHeads(t *testing.T) {
	var heads []crdt.Hash
	for i := range maxTagHeads {
		heads = append([]crdt.Hash{{byte(i)}}, heads...)
	}
	read, err := ParseHeads(Tag(heads))
	if crdt.SortHashes(heads); err != nil || !slices.Equal(read, heads) {
		t.Errorf("%v %v", read, err)
	}
	more := append(slices.Clone(heads), crdt.Hash{99})
	if tag := Tag(more); len(tag) != len(digestPrefix)+64 || tag == Tag(append(heads, crdt.Hash{98})) {
		t.Errorf("%s", tag)
	}
	for _, text := range []string{"", ".", "x", heads[0].String() + ".", Tag(more), strings.Repeat(heads[0].String()+".", 1024) + heads[0].String()} {
		if _, err := ParseHeads(text); !errors.Is(err, ErrInput) {
			t.Errorf("%q: %v", clip(text), err)
		}
	}
}

// What a caller may not see, or do, is refused alike by every operation.
func TestRights(t *testing.T) {
	r := newRig(t)
	doc := r.open(alice, "invoice", "1", `{"a":1}`)
	ctx := t.Context()
	at := At{Heads: doc.Heads}
	reads := map[string]func(c Caller) error{
		"get":     func(c Caller) error { _, err := r.Get(ctx, c, doc.ID, Wanted{}); return err },
		"history": func(c Caller) error { _, err := r.History(ctx, c, doc.ID, "", 1); return err },
		"diff":    func(c Caller) error { _, err := r.Diff(ctx, c, doc.ID, at, At{}); return err },
		"blame":   func(c Caller) error { _, err := r.Blame(ctx, c, doc.ID, At{}, "", 1); return err },
	}
	writes := map[string]func(c Caller) error{
		"patch":   func(c Caller) error { _, err := r.Patch(ctx, c, doc.ID, Patch{Body: []byte(`{}`)}); return err },
		"restore": func(c Caller) error { _, err := r.Restore(ctx, c, doc.ID, Restore{At: at}); return err },
	}
	stranger := alice
	stranger.Company = "other"
	narrow := user("nora", auth.RoleEditor, newID())
	viewer := user("vera", auth.RoleViewer)
	for name, do := range reads {
		for _, c := range []Caller{alice, viewer, user("nora", auth.RoleViewer, doc.ID)} {
			if err := do(c); err != nil {
				t.Errorf("%s by %s: %v", name, c.User, err)
			}
		}
	}
	for name, do := range writes {
		for _, role := range []auth.Role{auth.RoleEditor, auth.RoleAdmin, auth.RoleService} {
			if err := do(user("w", role)); err != nil {
				t.Errorf("%s by %s: %v", name, role, err)
			}
		}
		if err := do(viewer); !errors.Is(err, ErrForbidden) {
			t.Errorf("%s by a viewer: %v", name, err)
		}
	}
	for _, do := range []map[string]func(Caller) error{reads, writes} {
		for name, do := range do {
			for _, c := range []Caller{stranger, narrow} {
				if err := do(c); !errors.Is(err, ErrNotFound) || err.Error() != notFound(doc.ID).Error() {
					t.Errorf("%s by %s of %s: %v", name, c.User, c.Company, err)
				}
			}
		}
	}
	for _, c := range []Caller{alice, viewer, user("s", auth.RoleService), user("a", auth.RoleAdmin, doc.ID)} {
		if err := r.MayAudit(c); !errors.Is(err, ErrForbidden) {
			t.Errorf("%s reads the audit log: %v", c.Role, err)
		}
	}
}

func TestDeniedAccessIsNotedOnceAMinute(t *testing.T) {
	r := newRig(t)
	doc := r.open(alice, "invoice", "1", `{"a":1}`)
	narrow := user("nora", auth.RoleEditor, newID())
	knock := func() {
		for range 5 {
			for _, c := range []Caller{narrow, user("vera", auth.RoleViewer)} {
				if _, err := r.Patch(t.Context(), c, doc.ID, Patch{Body: []byte(`{}`)}); err == nil {
					t.Fatalf("%s may write", c.User)
				}
			}
			if _, err := r.Get(t.Context(), narrow, newID(), Wanted{}); !errors.Is(err, ErrNotFound) {
				t.Fatal(err)
			}
		}
		r.merge(alice, doc, `{"a":`+r.clock().Format("5")+`}`) // what was queued before is durable after it
		r.open(alice, "other", r.clock().String(), ``)
	}
	knock()
	if got := r.audit(); len(got) != 2 {
		t.Errorf("%d entries: %+v", len(got), got)
	}
	r.tick()
	knock()
	got := r.audit()
	if len(got) != 4 {
		t.Fatalf("%d entries: %+v", len(got), got)
	}
	for i, e := range got {
		if e.Action != "access.denied" || e.Document != doc.ID || e.User != []string{"nora", "vera"}[i%2] || e.Seq != uint64(i+1) {
			t.Errorf("%+v", e)
		}
	}
}
