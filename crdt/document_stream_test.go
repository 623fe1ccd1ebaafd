package crdt

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// streamHashes returns the hashes of all changes in a stream.
func streamHashes(b []byte) (hashes []Hash, err error) {
	err = ParseChunks(b, Limits{}, func(c DocumentChange) error {
		hashes = append(hashes, c.Hash)
		return nil
	})
	return hashes, err
}

func TestParseChunks(t *testing.T) {
	files := documentFiles(t)
	changes := readGlob(t, "codec/*changes")
	var orphans struct {
		Hashes                 []string
		Applied                []int
		Saved, OnlyOrphanSaved string
	}
	readJSON(t, "orphans.json", &orphans)
	incremental, _ := expectedChanges(t, "incremental.automerge")
	big, _ := expectedChanges(t, "big-change.automerge")
	for _, c := range []struct {
		name string
		b    []byte
		want []Hash
	}{
		{"nothing", nil, nil},
		{"empty document", unhex(t, "856f4a83b81a9544000400000000"), nil},
		{"document", files["incremental.automerge"], incremental},
		{"changes", changes["incremental.changes"], incremental},
		{"saves one after another", readGlob(t, "documents/incremental.incremental")["incremental.incremental"], slices.Concat(incremental, incremental)},
		{"compressed changes", changes["big-change.zchanges"], big},
		{"two documents", slices.Concat(files["incremental.automerge"], files["big-change.automerge"]), slices.Concat(incremental, big)},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := streamHashes(c.b)
			if err != nil || !slices.Equal(got, c.want) {
				t.Fatalf("hashes %v, %v; want %v", got, err, c.want)
			}
		})
	}
	got, err := streamHashes(unhex(t, orphans.Saved))
	if err != nil || len(got) != 4 {
		t.Fatalf("document with orphans: %v, %v", got, err)
	}
	for i, n := range orphans.Applied {
		if got[1+i].String() != orphans.Hashes[n] {
			t.Errorf("orphan %d is %s, want %s", i, got[1+i], orphans.Hashes[n])
		}
	}
	if got, err := streamHashes(unhex(t, orphans.OnlyOrphanSaved)); err != nil || len(got) != 1 || got[0].String() != orphans.Hashes[1] {
		t.Errorf("one orphan: %v, %v", got, err)
	}
}

func TestParseChunksErrors(t *testing.T) {
	doc := documentFiles(t)["erp-invoice-0.automerge"]
	changes := chunksOf(t, readGlob(t, "codec/erp-invoice-0.changes")["erp-invoice-0.changes"])
	broken := slices.Clone(changes[1].Raw)
	broken[len(broken)-1]++
	bundle := readGlob(t, "fixtures/bundle-type3.bin")["bundle-type3.bin"]
	for _, c := range []struct {
		name    string
		parts   [][]byte
		chunk   string // which the error names
		reason  Reason
		visited int
	}{
		{"junk at the end", [][]byte{doc, []byte("junk")}, "chunk 1 at byte 1536", ReasonMalformed, 0},
		{"cut off", [][]byte{doc, changes[0].Raw[:20]}, "chunk 1 at byte 1536", ReasonMalformed, 0},
		{"bundle", [][]byte{bundle}, "chunk 0 at byte 0", ReasonBundleChunk, 0},
		{"unknown type", [][]byte{changes[0].Raw, appendChunkHeader(nil, [4]byte{}, 9, 0)}, "chunk 1 at byte ", ReasonUnknownChunk, 0},
		{"second change broken", [][]byte{changes[0].Raw, broken, doc}, "chunk 1 at byte ", ReasonChecksum, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := streamHashes(slices.Concat(c.parts...))
			var refusal *RefusalError
			if !errors.As(err, &refusal) || refusal.Reason != c.reason || !strings.HasPrefix(err.Error(), c.chunk) {
				t.Errorf("%v, want %s of %s", err, c.reason, c.chunk)
			}
			if len(got) != c.visited {
				t.Errorf("%d changes visited, want %d", len(got), c.visited)
			}
		})
	}
	stop := errors.New("stop")
	for _, b := range [][]byte{doc, changes[0].Raw} {
		if err := ParseChunks(b, Limits{}, func(DocumentChange) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("%v, want what visit returned", err)
		}
	}
}
