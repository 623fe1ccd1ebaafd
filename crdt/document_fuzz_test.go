package crdt

import (
	"errors"
	"testing"
)

// fuzzLimits keep each input cheap; what they refuse is of no other kind.
var fuzzLimits = Limits{ChunkBytes: 4 << 20, Rows: 20_000, Ops: 20_000}

// FuzzParseDocument checks that a document which parses is written again with
// the same columns, and that its changes pass the gate one by one. Its input is
// the chunk without its header; heads are made right first, or little would get
// past them.
func FuzzParseDocument(f *testing.F) {
	for _, b := range documentFiles(f) {
		if len(b) < 4<<10 {
			f.Add(documentChunk(f, b).Data)
		}
	}
	var cases []struct{ Hex string }
	readJSON(f, "documents/acceptance.json", &cases)
	for _, c := range cases {
		if chunk, _, err := NextChunk(unhex(f, c.Hex)); err == nil {
			f.Add(chunk.Data)
		}
	}
	good := goodDocument()
	f.Add(good.chunk(f).Data)
	f.Fuzz(func(t *testing.T, data []byte) {
		b := righted(t, sealedData(data))
		d, err := parseDocument(b, fuzzLimits, nil)
		changes := 0
		infoErr := documentChunk(t, b).ReadChangeInfo(fuzzLimits, func(int, int64, []byte) error {
			changes++
			return nil
		})
		if err == nil && (infoErr != nil || changes != d.NumChanges) {
			t.Fatalf("%d changes, then %v", changes, infoErr)
		}
		if err != nil {
			var refusal *RefusalError
			if d != nil || !errors.As(err, &refusal) {
				t.Fatalf("document %v, error %v of type %T", d != nil, err, err)
			}
			return
		}
		got, err := documentChunk(t, rewritten(t, d)).ParseDocument(fuzzLimits, nil)
		if err != nil {
			t.Fatalf("written again: %v", err)
		}
		checkColumns(t, got, d)
		checkGate(t, d)
	})
}

// righted returns a document chunk whose heads are those of its changes, if these
// can be rebuilt; else the chunk as it was.
func righted(t *testing.T, b []byte) []byte {
	d, err := documentChunk(t, b).openDocument(fuzzLimits)
	if err != nil {
		return b
	}
	inner := make(map[Hash]bool)
	var all, heads []Hash
	err = d.rebuild(nil, func(c DocumentChange) error {
		for _, dep := range c.Deps {
			inner[dep] = true
		}
		all = append(all, c.Hash)
		return nil
	})
	if err == nil {
		return b
	}
	for _, h := range all {
		if !inner[h] {
			heads = append(heads, h)
		}
	}
	SortHashes(heads)
	return sealedDocument(d.Actors, heads, d.changes, d.rows)
}

// checkGate checks that every change of a document passes as a change of its
// own, behind those before it, unless the graph refuses one of them.
func checkGate(t *testing.T, d *DocumentChunk) {
	g, s := NewGraph(), NewOpSet()
	refused := errors.New("refused")
	err := d.rebuild(nil, func(c DocumentChange) error {
		checkDocumentChange(t, c)
		if _, err := g.Append(c.Header); err != nil {
			return refused
		}
		ch, err := ParseChange(append([]byte(nil), c.Raw...), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Apply(ch, nil); err != nil {
			t.Fatalf("change %d of the document: %v", c.Row, err)
		}
		return nil
	})
	if err != nil && err != refused {
		t.Fatal(err)
	}
}
