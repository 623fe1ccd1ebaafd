package crdt

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func load(tb testing.TB, b []byte) *Doc {
	tb.Helper()
	d, err := Load(b, Limits{})
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// TestSaveGivesOfficialColumns loads the official saves and saves them again,
// from the same changes applied one by one and from the document.
func TestSaveGivesOfficialColumns(t *testing.T) {
	for name, b := range documentFiles(t) {
		t.Run(name, func(t *testing.T) {
			official, err := documentChunk(t, b).ParseDocument(Limits{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			loaded := load(t, b)
			applied := New()
			for _, c := range loaded.Changes(nil) {
				if err := applied.Apply(c); err != nil {
					t.Fatal(err)
				}
			}
			for how, d := range map[string]*Doc{"loaded": loaded, "applied": applied} {
				saved, err := documentChunk(t, d.Save()).ParseDocument(Limits{}, nil)
				if err != nil {
					t.Fatalf("%s: %v", how, err)
				}
				checkColumns(t, saved, official)
				if d := cmp.Diff(official.Heads, saved.Heads); d != "" {
					t.Errorf("%s: %s", how, d)
				}
			}
		})
	}
}

// TestSaveSince saves a history in pieces.
func TestSaveSince(t *testing.T) {
	changes := readChanges(t, "testdata/codec/rich-text-random.changes")
	d, kept := New(), []byte(nil)
	var heads []Hash
	for i, c := range changes {
		if err := d.Apply(c); err != nil {
			t.Fatal(err)
		}
		if i%7 == 3 {
			kept = append(kept, d.SaveSince(heads)...)
			heads = d.Heads()
		}
	}
	kept = append(kept, d.SaveSince(heads)...)
	if want := slices.Concat(chunkBytes(changes)...); !bytes.Equal(kept, want) {
		t.Error("the pieces aren't the changes in order")
	}
	again := load(t, kept)
	if !bytes.Equal(again.Save(), d.Save()) {
		t.Error("the pieces give another document")
	}
	again = load(t, slices.Concat(load(t, slices.Concat(chunkBytes(changes[:20])...)).Save(), kept, d.Save()))
	if !bytes.Equal(again.Save(), d.Save()) {
		t.Error("a document, its changes and the document again give another document")
	}
	if got := load(t, d.Save()).SaveSince(nil); !bytes.Equal(got, slices.Concat(chunkBytes(changes)...)) {
		t.Error("a loaded document doesn't give the same changes")
	}
}

func chunkBytes(changes []*Change) (chunks [][]byte) {
	for _, c := range changes {
		chunks = append(chunks, c.Bytes())
	}
	return chunks
}

func TestQueuedChangesAreSaved(t *testing.T) {
	changes := readChanges(t, "testdata/codec/counters.changes")
	d := New()
	for _, i := range []int{2, 1} {
		if err := d.Apply(changes[i]); err != nil {
			t.Fatal(err)
		}
	}
	if d.Len() != 0 || d.Queued() != 2 {
		t.Fatal(d.Len(), d.Queued())
	}
	saved := d.Save()
	if want := slices.Concat(New().Save(), changes[2].Bytes(), changes[1].Bytes()); !bytes.Equal(saved, want) {
		t.Errorf("%x, want %x", saved, want)
	}
	again := load(t, saved)
	if again.Queued() != 2 {
		t.Fatal(again.Queued())
	}
	if err := again.Apply(changes[0]); err != nil || again.Len() != 3 || again.Queued() != 0 {
		t.Fatal(err, again.Len(), again.Queued())
	}
	if _, err := Load(changes[1].Bytes(), Limits{}); !errors.Is(err, ErrIncomplete) {
		t.Errorf("changes without their beginning: %v", err)
	}
	if err := New().LoadIncremental(changes[1].Bytes(), Limits{}); err != nil {
		t.Errorf("queue: %v", err)
	}
}

// TestLoadIsAllOrNothing damages the last chunk of several.
func TestLoadIsAllOrNothing(t *testing.T) {
	changes := readChanges(t, "testdata/codec/counters.changes")
	d := New()
	broken := slices.Concat(chunkBytes(changes)...)
	broken[len(broken)-1] ^= 1
	err := d.LoadIncremental(broken, Limits{})
	var refusal *RefusalError
	if !errors.As(err, &refusal) || refusal.Reason != ReasonChecksum || d.Len() != 0 {
		t.Errorf("%v, %d changes", err, d.Len())
	}
	document := load(t, slices.Concat(chunkBytes(changes)...)).Save()
	for i := range document {
		damaged := slices.Clone(document)
		damaged[i] ^= 0x10
		if _, err := Load(damaged, Limits{}); err == nil {
			t.Errorf("loads with byte %d changed", i)
		}
	}
}
