package documents

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"concord/crdt"
	"concord/fuzz/history"
	"concord/fuzz/oracle"
	"concord/internal/testkit/node"
)

// pastSize returns how many documents are compared at how many heads: 50 at 200 if
// PAST=full.
func pastSize() (docs, heads int) {
	if os.Getenv("PAST") == "full" {
		return 50, 200
	}
	return 4, 50
}

// automerge-js says the same of every state: what the document held, who wrote it,
// and where the edits between two states lead.
func TestPastAgainstAutomergeJS(t *testing.T) {
	js, err := oracle.JS()
	if err != nil {
		t.Fatal(err)
	}
	defer js.Close()
	docs, n := pastSize()
	seed := uint64(node.Setting(t, "SEED", 1+rand.IntN(1<<62)))
	t.Logf("SEED=%d", seed)
	r := newRig(t)
	compared := 0
	for i := range docs {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		h, err := history.Random(rng, history.Shape{Ops: 50 + rng.IntN(300), Without: ^history.Oddity(0)})
		if err != nil {
			t.Fatal(err)
		}
		doc := r.receive(rng, h, fmt.Sprint(i))
		if rng.IntN(2) == 0 {
			r.snapshot(doc.Document)
		}
		compared += r.comparePast(t, js, rng, h, doc, n)
		if t.Failed() {
			t.Fatalf("document %d of SEED=%d", i, seed)
		}
	}
	if compared < docs*n/2 {
		t.Errorf("only %d states compared", compared)
	}
}

// received is a document and who brought its changes.
type received struct {
	Document
	by map[crdt.Hash]string
	// then is what the document held after each import.
	then map[time.Time]string
}

// receive imports a history bit by bit, for several users.
func (r *rig) receive(rng *rand.Rand, h *history.History, ref string) received {
	r.tb.Helper()
	doc := received{by: make(map[crdt.Hash]string), then: make(map[time.Time]string)}
	rest := h.Changes
	for len(rest) > 0 {
		n := 1 + rng.IntN(min(len(rest), 10))
		c := []Caller{alice, bob}[rng.IntN(2)]
		var file []byte
		for _, change := range rest[:n] {
			file = append(file, change.Bytes()...)
			doc.by[change.Hash] = c.User
		}
		when := r.tick()
		got, err := r.Import(r.tb.Context(), c, Import{File: file, Type: "past", Ref: ref})
		if err != nil || got.New != n {
			r.tb.Fatalf("%+v %v", got, err)
		}
		doc.Document, rest = got.Document, rest[n:]
		doc.then[when] = r.json(doc.Document, At{}, "")
	}
	return doc
}

func (r *rig) comparePast(t *testing.T, js *oracle.Engine, rng *rand.Rand, h *history.History, doc received, n int) int {
	t.Helper()
	file, err := r.Export(t.Context(), alice, doc.ID)
	if err != nil {
		t.Fatal(err)
	}
	heads := slices.DeleteFunc(h.Views(rng, n), func(heads []string) bool { return len(heads) == 0 })
	states, err := js.Past(file, heads)
	if err != nil {
		t.Fatal(err)
	}
	for when, want := range doc.then {
		if got := r.json(doc.Document, At{Time: when}, ""); got != want {
			t.Errorf("at %v:\n%s\nthen:\n%s", when, got, want)
		}
	}
	var last []crdt.Hash
	for i, state := range states {
		at, err := ParseHeads(strings.Join(heads[i], "."))
		if err != nil {
			t.Fatal(err)
		}
		if got := r.json(doc.Document, At{Heads: at}, ""); got != state.JSON {
			t.Errorf("at %v:\n%s\nautomerge-js:\n%s", heads[i], got, state.JSON)
		}
		if diff := cmp.Diff(state.Authors, r.authors(t, doc, at)); diff != "" {
			t.Errorf("authors at %v (-automerge-js +got):\n%s", heads[i], diff)
		}
		if i > 0 {
			if got := r.performed(t, doc, states[i-1].JSON, last, at); got != canonical(t, state.JSON) {
				t.Errorf("from %v to %v: the edits lead to\n%s\nautomerge-js:\n%s", heads[i-1], heads[i], got, state.JSON)
			}
		}
		last = at
	}
	return len(states)
}

// authors returns a blame in the form of oracle.State.
func (r *rig) authors(t *testing.T, doc received, at []crdt.Hash) []string {
	t.Helper()
	b, err := r.Blame(t.Context(), alice, doc.ID, At{Heads: at}, "", 1<<20)
	if err != nil || b.LeftOut {
		t.Fatal(b.LeftOut, err)
	}
	lines := []string{}
	for _, v := range b.Values {
		line := v.Path
		if v.Length > 0 {
			line += fmt.Sprintf(" %d %d", v.Index, v.Length)
		}
		lines = append(lines, line+" "+v.Hash.String())
		if v.User != doc.by[v.Hash] || v.Received.IsZero() {
			t.Errorf("%s was brought by %s: %+v", v.Hash, doc.by[v.Hash], v)
		}
	}
	return lines
}

func decoded(t *testing.T, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func canonical(t *testing.T, text string) string {
	t.Helper()
	return marshal(decoded(t, text))
}

// performed performs the edits between two states on the JSON of the first.
func (r *rig) performed(t *testing.T, doc received, before string, from, to []crdt.Hash) string {
	t.Helper()
	d, err := r.Diff(t.Context(), alice, doc.ID, At{Heads: from}, At{Heads: to})
	if err != nil {
		t.Fatal(err)
	}
	now := decoded(t, before)
	for _, e := range d.Differences {
		if e.Action == "mark" {
			continue
		}
		p, err := parsePointer(e.Path)
		if err != nil {
			t.Fatal(err)
		}
		if intoText(now, p) {
			continue
		}
		next, ok := perform(t, now, p, e)
		if !ok {
			t.Fatalf("%s %s, from %s to %s, can't be performed on %s; all of it: %s", e.Action, e.Path, e.Before, e.After, marshal(now), list(d.Differences))
		}
		now = next
	}
	return marshal(now)
}

// intoText reports whether a path leads into a string.
func intoText(v any, p pointer) bool {
	for i := range p {
		around, _ := modelGet(v, p[:i])
		if _, ok := around.(string); ok {
			return true
		}
	}
	return false
}

func list(all []Difference) string {
	var b strings.Builder
	for _, e := range all {
		fmt.Fprintf(&b, "%s %s %d: %s -> %s\n", e.Action, e.Path, e.Index, e.Before, e.After)
	}
	return b.String()
}

func perform(t *testing.T, now any, p pointer, e Difference) (any, bool) {
	return modelPut(now, p, func(around any, token string) (any, bool) {
		fields, _ := around.(map[string]any)
		list, _ := around.([]any)
		index, _ := strconv.Atoi(token)
		if e.Action == "insert" && fields == nil {
			return slices.Insert(list, index, decoded(t, string(e.After))), true
		}
		was, ok := modelGet(around, pointer{token})
		if !ok && (fields == nil || e.Before != nil) || e.Action != "splice" && e.Before != nil && marshal(was) != canonical(t, string(e.Before)) {
			return nil, false
		}
		var next any
		switch {
		case e.Action == "delete" && fields != nil:
			delete(fields, token)
			return fields, true
		case e.Action == "delete":
			return slices.Delete(list, index, index+1), true
		case e.Action == "splice":
			if next, ok = spliced(t, was, e); !ok {
				return nil, false
			}
		default:
			next = decoded(t, string(e.After))
		}
		if fields != nil {
			fields[token] = next
			return fields, true
		}
		list[index] = next
		return list, true
	})
}

func spliced(t *testing.T, was any, e Difference) (any, bool) {
	s, ok := was.(string)
	units := utf16.Encode([]rune(s))
	deleted := utf16.Encode([]rune(decoded(t, string(e.Before)).(string)))
	inserted := utf16.Encode([]rune(decoded(t, string(e.After)).(string)))
	if !ok || e.Index+len(deleted) > len(units) || !slices.Equal(units[e.Index:e.Index+len(deleted)], deleted) {
		return nil, false
	}
	return string(utf16.Decode(slices.Replace(units, e.Index, e.Index+len(deleted), inserted...))), true
}
