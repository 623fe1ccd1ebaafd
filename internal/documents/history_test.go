package documents

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"concord/crdt"
)

func TestHistory(t *testing.T) {
	r := newRig(t)
	first := r.tick()
	doc := r.open(alice, "invoice", "1", `{"lines":[{"price":1}],"note":"x"}`)
	second := r.tick()
	next, err := r.Patch(t.Context(), bob, doc.ID, Patch{Kind: JSONPatch, Message: "raise", Body: []byte(
		`[{"op":"replace","path":"/lines/0/price","value":2},{"op":"replace","path":"/note","value":"xyz"},{"op":"add","path":"/lines/0","value":{"price":0}}]`)})
	if err != nil {
		t.Fatal(err)
	}
	var both []Entry
	look := func() {
		t.Helper()
		both = nil
		cursor := ""
		for range 2 {
			h, err := r.History(t.Context(), alice, doc.ID, cursor, 1)
			if err != nil || len(h.Entries) != 1 {
				t.Fatal(h, err)
			}
			both, cursor = append(both, h.Entries...), h.Next
		}
		if cursor != "" {
			t.Errorf("a page follows the first change: %s", cursor)
		}
		newest, oldest := both[0], both[1]
		if newest.Hash != next.Heads[0] || newest.User != "bob" || newest.Device != "bob-phone" || !newest.Received.Equal(second) ||
			!newest.Claimed.Equal(second) || newest.Message != "raise" || newest.Seq != 2 || !cmp.Equal(newest.Deps, doc.Heads) {
			t.Errorf("%+v", newest)
		}
		if oldest.Hash != doc.Heads[0] || oldest.User != "alice" || !oldest.Received.Equal(first) || oldest.Ops == 0 || len(oldest.Deps) != 0 {
			t.Errorf("%+v", oldest)
		}
		want := []Field{{"/lines/*/price", "/lines/1/price"}, {"/note", "/note"}, {"/lines/*", "/lines/0"}, {"/lines/*/price", "/lines/0/price"}}
		if diff := cmp.Diff(want, newest.Fields); diff != "" {
			t.Errorf("fields (-want +got):\n%s", diff)
		}
	}
	look()
	before := both
	r.snapshot(doc)
	look()
	if diff := cmp.Diff(before, both); diff != "" {
		t.Errorf("out of the snapshot (-before +after):\n%s", diff)
	}
	for _, cursor := range []string{"x", newCursor(cursorDocuments, doc.ID[:]), newCursor(cursorChanges, []byte{1})} {
		if _, err := r.History(t.Context(), alice, doc.ID, cursor, 1); !errors.Is(err, ErrInput) {
			t.Errorf("cursor %q: %v", cursor, err)
		}
	}
	if h, err := r.History(t.Context(), alice, doc.ID, indexCursor(1<<63), 10); err != nil || len(h.Entries) != 2 {
		t.Errorf("%+v %v", h, err)
	}
}

func TestHistoryListsSomeFields(t *testing.T) {
	r := newRig(t)
	var fields []string
	for i := range maxFields + 10 {
		fields = append(fields, fmt.Sprintf(`"k%d":1`, i))
	}
	doc := r.open(alice, "invoice", "1", `{`+strings.Join(fields, ",")+`}`)
	h, err := r.History(t.Context(), alice, doc.ID, "", 10)
	if err != nil || len(h.Entries) != 1 || len(h.Entries[0].Fields) != maxFields || !h.Entries[0].FieldsLeftOut {
		t.Errorf("%+v %v", h, err)
	}
}

// Changes claim times that no calendar has.
func TestClaimedTimesAreWithinBounds(t *testing.T) {
	for seconds, want := range map[int64]string{0: "", -1: "", 1: "1970-01-01T00:00:01Z", 253402300799: "9999-12-31T23:59:59Z", 253402300800: "", 1<<63 - 1: ""} {
		got := claimedTime(seconds)
		if text := got.Format(time.RFC3339); got.IsZero() != (want == "") || want != "" && text != want {
			t.Errorf("%d: %s", seconds, text)
		}
		if _, err := got.MarshalJSON(); err != nil {
			t.Error(err)
		}
	}
}

func TestBlame(t *testing.T) {
	r := newRig(t)
	first := r.tick()
	doc := r.open(alice, "invoice", "1", `{"a":{"b":1,"c":[]},"note":"hello\n","lines":[1,2]}`)
	second := r.tick()
	r.merge(bob, doc, `{"a":{"b":2},"note":"hello\n world"}`)
	type line struct {
		Path, Value, User string
		Index, Length     int
		Received, Claimed time.Time
	}
	look := func(at At, path string) []line {
		t.Helper()
		b, err := r.Blame(t.Context(), alice, doc.ID, at, path, 100)
		if err != nil || b.LeftOut {
			t.Fatal(b, err)
		}
		var lines []line
		for _, v := range b.Values {
			lines = append(lines, line{v.Path, string(v.Value), v.User, v.Index, v.Length, v.Received.UTC(), v.Claimed})
		}
		return lines
	}
	at := func(path, value, user string, index, length int) line {
		when := map[string]time.Time{"alice": first, "bob": second}[user]
		return line{path, value, user, index, length, when, when}
	}
	want := []line{
		at("/a/b", "2", "bob", 0, 0), at("/a/c", "[]", "alice", 0, 0), at("/lines/0", "1", "alice", 0, 0), at("/lines/1", "2", "alice", 0, 0),
		at("/note", `"hello\n"`, "alice", 0, 6), at("/note", `" world"`, "bob", 6, 6),
	}
	if diff := cmp.Diff(want, look(At{}, "")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[2:4], look(At{}, "/lines")); diff != "" {
		t.Errorf("a part (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]line{at("/a/b", "1", "alice", 0, 0)}, look(At{Heads: doc.Heads}, "/a/b")); diff != "" {
		t.Errorf("of the past (-want +got):\n%s", diff)
	}
	r.snapshot(doc)
	if diff := cmp.Diff(want, look(At{}, "")); diff != "" {
		t.Errorf("out of the snapshot (-want +got):\n%s", diff)
	}
	b, err := r.Blame(t.Context(), alice, doc.ID, At{}, "", 2)
	if err != nil || len(b.Values) != 2 || !b.LeftOut {
		t.Errorf("two at most: %+v %v", b, err)
	}
}

func TestRestore(t *testing.T) {
	r := newRig(t)
	first := r.tick()
	doc := r.open(alice, "invoice", "1", `{"a":1,"lines":[{"id":1},{"id":2}],"note":"hello"}`)
	was := r.json(doc, At{}, "")
	r.tick()
	r.merge(bob, doc, `{"a":null,"b":2,"lines":[{"id":2}],"note":"bye"}`)
	if _, err := r.Restore(t.Context(), bob, doc.ID, Restore{At: At{Heads: doc.Heads}, Path: "/note"}); err != nil {
		t.Fatal(err)
	}
	if got := r.json(doc, At{}, ""); got != `{"b":2,"lines":[{"id":2}],"note":"hello"}` {
		t.Errorf("a part: %s", got)
	}
	back, err := r.Restore(t.Context(), bob, doc.ID, Restore{At: At{Time: first}, Message: "as it was"})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.json(doc, At{}, ""); got != was {
		t.Errorf("all: %s, want %s", got, was)
	}
	h, err := r.History(t.Context(), alice, doc.ID, "", 10)
	if err != nil || len(h.Entries) != 4 || h.Entries[0].Hash != back.Heads[0] || h.Entries[0].Message != "as it was" || h.Entries[1].Message != "Restore "+Tag(doc.Heads) {
		t.Errorf("%+v %v", h, err)
	}
	audit := r.audit()
	if len(audit) != 2 || audit[0].Action != "document.restore" || audit[0].User != "bob" || audit[0].Document != doc.ID {
		t.Errorf("%+v", audit)
	}
	for _, c := range []struct {
		restore Restore
		want    error
	}{
		{Restore{}, ErrInput},
		{Restore{At: At{Heads: []crdt.Hash{{1}}}}, ErrNotFound},
		{Restore{At: At{Time: first.Add(-time.Hour)}}, ErrNotFound},
		{Restore{At: At{Time: first}, Path: "/none"}, ErrNotFound},
		{Restore{At: At{Time: first}, Path: "none"}, ErrInput},
		{Restore{At: At{Time: first}, Message: strings.Repeat("x", maxMessage+1)}, ErrInput},
		{Restore{At: At{Time: first}, Match: func(string) bool { return false }}, ErrChanged},
	} {
		if _, err := r.Restore(t.Context(), bob, doc.ID, c.restore); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v, want %v", c.restore, err, c.want)
		}
	}
}
