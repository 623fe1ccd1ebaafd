package crdt

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// record is what automerge-js reads from a document. typed values have the form
// of AppendTypedJSON; values of conflicts and marks look as in JavaScript, with
// counters as {"counter": n}.
type record struct {
	Heads     []string
	Typed     json.RawMessage
	Conflicts map[string]map[string]any
	Texts     []recordText
	History   []struct {
		Heads []string
		Typed json.RawMessage
	}
}

type recordText struct {
	Path  []any
	Obj   string
	Text  string
	Spans []recordSpan
	Marks []recordMark
}

type recordSpan struct {
	Type  string
	Value any
	Marks map[string]any
}

type recordMark struct {
	Name       string
	Value      any
	Start, End int
}

func readRecords(tb testing.TB) map[string]record {
	tb.Helper()
	var records map[string]record
	readJSON(tb, "records.json.gz", &records)
	return records
}

// recordedDocs returns the documents with a record, applied change by change and
// loaded from a saved document.
func recordedDocs(tb testing.TB) map[string]*testDoc {
	tb.Helper()
	docs := make(map[string]*testDoc)
	for _, file := range codecFiles(tb) {
		docs[filepath.Base(file)] = newTestDoc(tb, readChanges(tb, file)...)
	}
	for name, b := range documentFiles(tb) {
		if name != "edit-trace.automerge" { // see TestTextOfThePast
			d := load(tb, b)
			docs[name] = &testDoc{graph: d.graph, ops: d.ops}
		}
	}
	return docs
}

// testDoc is a document with everything that its tests read.
type testDoc struct {
	graph   *Graph
	ops     *OpSet
	changes []*Change
}

func newTestDoc(tb testing.TB, changes ...*Change) *testDoc {
	tb.Helper()
	d := &testDoc{graph: NewGraph(), ops: NewOpSet()}
	for _, c := range changes {
		d.add(tb, c, nil)
	}
	return d
}

func (d *testDoc) add(tb testing.TB, c *Change, diff *Diff) {
	tb.Helper()
	i, err := d.graph.Append(c.Header())
	if err != nil {
		tb.Fatal(err)
	}
	if err := d.ops.Apply(c, diff); err != nil {
		tb.Fatal(err)
	}
	d.graph.Publish(i + 1)
	d.changes = append(d.changes, c)
}

func (d *testDoc) at(tb testing.TB, heads []Hash) View {
	tb.Helper()
	clock, err := d.graph.Clock(heads)
	if err != nil {
		tb.Fatal(err)
	}
	return d.ops.At(clock)
}

func parseHashes(tb testing.TB, texts []string) []Hash {
	tb.Helper()
	var hashes []Hash
	for _, text := range texts {
		h, err := ParseHash(text)
		if err != nil {
			tb.Fatal(err)
		}
		hashes = append(hashes, h)
	}
	return hashes
}

func decodeJSON(tb testing.TB, b []byte) any {
	tb.Helper()
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		tb.Fatalf("%v in %.200s", err, b)
	}
	return v
}

func TestViewReadsWhatAutomergeReads(t *testing.T) {
	records := readRecords(t)
	for name, d := range recordedDocs(t) {
		t.Run(name, func(t *testing.T) {
			title, _, _ := strings.Cut(name, ".")
			want, ok := records[title]
			if !ok {
				t.Fatal("no record")
			}
			for _, v := range []View{d.ops.View(), d.at(t, parseHashes(t, want.Heads))} {
				sameJSON(t, "typed", want.Typed, v.AppendTypedJSON(nil, OpID{}))
				if diff := cmp.Diff(want.Conflicts, conflictsOf(t, v)); diff != "" {
					t.Errorf("conflicts: %s", diff)
				}
				checkTexts(t, v, want.Texts)
			}
			for _, h := range want.History {
				v := d.at(t, parseHashes(t, h.Heads))
				sameJSON(t, fmt.Sprintf("at %v", h.Heads), h.Typed, v.AppendTypedJSON(nil, OpID{}))
			}
		})
	}
}

// sameJSON compares two texts but for spaces, escapes and the order of keys.
func sameJSON(t *testing.T, what string, want, got []byte) {
	t.Helper()
	w, _ := json.Marshal(decodeJSON(t, want))
	g, _ := json.Marshal(decodeJSON(t, got))
	if bytes.Equal(w, g) {
		return
	}
	at := 0
	for at < min(len(w), len(g)) && w[at] == g[at] {
		at++
	}
	from := max(0, at-60)
	t.Errorf("%s: at byte %d want %.160s\ngot %.160s", what, at, w[from:], g[from:])
}

// jsValue is an item as the records show it.
func jsValue(tb testing.TB, v View, item Item) any {
	if item.Kind == KindText {
		return v.Text(item.ID)
	}
	if item.Kind != KindScalar {
		return untyped(decodeJSON(tb, v.AppendTypedJSON(nil, item.ID)))
	}
	return untyped(decodeJSON(tb, appendTypedValue(nil, item.Value)))
}

// untyped turns the typed form into the one of JavaScript.
func untyped(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for tag, inner := range v {
			text, ok := inner.(string)
			if len(v) != 1 || !ok {
				break
			}
			switch tag {
			case "str", "text":
				return text
			case "int", "f64":
				return number(text)
			case "counter":
				return map[string]any{"counter": number(text)}
			}
		}
		for key := range v {
			v[key] = untyped(v[key])
		}
	case []any:
		for i := range v {
			v[i] = untyped(v[i])
		}
	}
	return v
}

func number(text string) (n float64) {
	if _, err := fmt.Sscan(text, &n); err != nil {
		panic(err)
	}
	return n
}

// conflictsOf returns the values of all places that have several, by the path
// as a JSON array.
func conflictsOf(tb testing.TB, v View) map[string]map[string]any {
	conflicts := make(map[string]map[string]any)
	var path []any
	for s := range v.Walk(OpID{}) {
		if s.Leave || s.Depth == 0 {
			continue
		}
		path = path[:s.Depth-1]
		if s.Key.IsElem {
			path = append(path, s.Index)
		} else {
			path = append(path, s.Key.Name)
		}
		items := v.Conflicts(s.Parent, s.Key)
		if len(items) == 0 || items[len(items)-1].ID != s.Item.ID {
			tb.Fatalf("at %v: winner %v isn't the last of %v", path, s.Item, items)
		}
		if len(items) > 1 {
			values := make(map[string]any)
			for _, item := range items {
				values[item.ID.String()] = jsValue(tb, v, item)
			}
			text, _ := json.Marshal(path)
			conflicts[string(text)] = values
		}
	}
	return conflicts
}

func checkTexts(t *testing.T, v View, want []recordText) {
	t.Helper()
	texts := make(map[string]recordText)
	for s := range v.Walk(OpID{}) {
		if s.Item.Kind == KindText {
			texts[s.Item.ID.String()] = recordText{
				Text: v.Text(s.Item.ID), Spans: spansOf(t, v, s.Item.ID), Marks: marksOf(t, v, s.Item.ID),
			}
		}
	}
	for _, w := range want {
		for i, step := range w.Path {
			if index, ok := step.(float64); ok {
				w.Path[i] = int(index)
			}
		}
		if item, ok := v.Get(w.Path...); !ok || item.Kind != KindText || item.ID.String() != w.Obj {
			t.Errorf("text at %v: %v, want %s", w.Path, item, w.Obj)
		}
		w.Path = nil
		got := texts[w.Obj]
		got.Obj = w.Obj
		if diff := cmp.Diff(w, got); diff != "" {
			t.Errorf("text %s: %s", w.Obj, diff)
		}
		delete(texts, w.Obj)
	}
	if len(texts) > 0 {
		t.Errorf("texts without a record: %v", slices.Collect(maps.Keys(texts)))
	}
}

func spansOf(tb testing.TB, v View, text OpID) []recordSpan {
	spans := []recordSpan{}
	for s := range v.Spans(text) {
		if !s.Block.IsZero() {
			block, _ := v.Object(s.Block)
			spans = append(spans, recordSpan{Type: "block", Value: jsValue(tb, v, block)})
			continue
		}
		span := recordSpan{Type: "text", Value: s.Text}
		for _, m := range s.Marks {
			if span.Marks == nil {
				span.Marks = make(map[string]any)
			}
			span.Marks[m.Name] = jsValue(tb, v, Item{Value: m.Value})
		}
		spans = append(spans, span)
	}
	return spans
}

func marksOf(tb testing.TB, v View, text OpID) []recordMark {
	marks := []recordMark{}
	for _, m := range v.Marks(text) {
		marks = append(marks, recordMark{m.Name, jsValue(tb, v, Item{Value: m.Value}), m.Start, m.End})
	}
	return marks
}

// TestTextOfThePast reads a long text at several points of its history.
func TestTextOfThePast(t *testing.T) {
	d := load(t, documentFiles(t)["edit-trace.automerge"])
	var trace struct {
		Snapshots []struct {
			Heads  []string
			Length int
			SHA256 string
		}
	}
	readJSON(t, "documents/edit-trace.json", &trace)
	if len(trace.Snapshots) < 5 {
		t.Fatalf("%d snapshots", len(trace.Snapshots))
	}
	empty, err := d.At(nil)
	if err != nil {
		t.Fatal(err)
	}
	before := empty
	for _, s := range trace.Snapshots {
		v, err := d.At(parseHashes(t, s.Heads))
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, item := range v.Fields(OpID{}) {
			text = v.Text(item.ID)
			if v.Len(item.ID) != s.Length {
				t.Errorf("%d code units, want %d", v.Len(item.ID), s.Length)
			}
		}
		if sum := sha256.Sum256([]byte(text)); hex.EncodeToString(sum[:]) != s.SHA256 {
			t.Errorf("another text of %d bytes, want %d", len(text), s.Length)
		}
		checkDiff(t, Between(before, v), before, v)
		before = v
	}
	checkDiff(t, Between(d.View(), empty), d.View(), empty)
}
