package crdt

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// restored returns the graph that g's record describes.
func restored(t rapid.TB, g *Graph) *Graph {
	t.Helper()
	record := g.AppendRecord([]byte("before"))
	record, ok := bytes.CutPrefix(record, []byte("before"))
	if !ok {
		t.Fatal("AppendRecord overwrote what was there")
	}
	r, err := RestoreGraph(record)
	if err != nil {
		t.Fatal(err)
	}
	if again := r.AppendRecord(nil); !bytes.Equal(again, record) {
		t.Fatalf("record of the restored graph:\n%x\nwant\n%x", again, record)
	}
	return r
}

// sameGraph compares all that two fully published graphs hold.
func sameGraph(t rapid.TB, got, want *Graph) {
	t.Helper()
	for what, same := range map[string]bool{
		"hashes":              slices.Equal(got.hashes, want.hashes),
		"heads":               slices.Equal(got.Heads(), want.Heads()),
		"staged heads":        slices.Equal(got.StagedHeads(), want.StagedHeads()),
		"authors and totals":  slices.Equal(got.authors, want.authors),
		"seqs":                slices.Equal(got.seqs, want.seqs),
		"counters":            slices.Equal(got.maxOps, want.maxOps) && got.MaxOp() == want.MaxOp(),
		"actors":              slices.Equal(got.actors, want.actors) && got.idBytes == want.idBytes,
		"indexes of actors":   maps.Equal(got.actorIDs, want.actorIDs),
		"starts after gaps":   slices.Equal(got.gaps, want.gaps),
		"number of published": got.Len() == want.Len(),
	} {
		if !same {
			t.Fatalf("%s differ: %+v, want %+v", what, got, want)
		}
	}
	for i := range want.Len() {
		if !slices.Equal(got.Dependencies(i), want.Dependencies(i)) {
			t.Fatalf("dependencies of %d: %v, want %v", i, got.Dependencies(i), want.Dependencies(i))
		}
		if at, ok := got.Index(want.HashAt(i)); !ok || at != i {
			t.Fatalf("change %d has index %d, %v", i, at, ok)
		}
	}
}

// A restored graph is the one that Append built, answers the same, and goes on as that would.
func TestGraphRecordAgainstOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, n := NewGraph(), &naive{index: map[Hash]int{}}
		changes := rapid.IntRange(0, 60).Draw(t, "changes")
		half := rapid.IntRange(0, changes).Draw(t, "restored at")
		for label := range changes {
			if label == half {
				g.Publish(g.Staged())
				r := restored(t, g)
				sameGraph(t, r, g)
				g = r
			}
			h := n.draw(t, label)
			if _, err := g.Append(h); err == nil {
				n.add(h)
			}
		}
		g.Publish(g.Staged())
		r := restored(t, g)
		sameGraph(t, r, g)
		compareGraphs(t, r, n)
	})
}

// Restored, 50,000 changes keep to the bound for the graph's memory.
func TestGraphRecordSizes(t *testing.T) {
	const n = 50_000
	g := typing(t, n)
	record := g.AppendRecord(nil)
	if len(record) > 34*n {
		t.Errorf("record takes %d bytes a change", len(record)/n)
	}
	r := restored(t, g)
	sameGraph(t, r, g)
	if size := r.Size() / n; size > 120 {
		t.Errorf("restored graph takes %d bytes a change", size)
	}
	h := step(n, "somebody", 1, n+1, n-1)
	if _, err := r.Append(h); err != nil {
		t.Fatal(err)
	}
	allocs := testing.AllocsPerRun(3, func() { RestoreGraph(record) })
	if allocs > 40 {
		t.Errorf("restoring allocates %v times", allocs)
	}
}

// Staged changes are not part of a record, nor are actors that have no others.
func TestGraphRecordWithoutStaged(t *testing.T) {
	g := gateGraph(t)
	g.Publish(2)
	r := restored(t, g)
	if r.Len() != 2 || r.Staged() != 2 || len(r.actors) != 1 || !slices.Equal(r.Heads(), g.Heads()) {
		t.Fatalf("%d changes, %d staged, actors %v", r.Len(), r.Staged(), r.actors)
	}
}

func TestGraphRecordDamaged(t *testing.T) {
	record := func(parts ...any) []byte {
		var b []byte
		for _, p := range parts {
			switch p := p.(type) {
			case int:
				b = append(b, byte(p))
			case string:
				b = append(append(b, byte(len(p))), p...)
			case []byte:
				b = append(b, p...)
			}
		}
		return b
	}
	hash := func(n byte) []byte { return bytes.Repeat([]byte{n}, 32) }
	two := slices.Concat(hash(1), hash(2))
	sound := record(1, 2, 1, "a", "\x00\x02", "\x00\x02", "\x00\x01\x01\x01", "\x01\x02", "", two)
	if g, err := RestoreGraph(sound); err != nil || g.Len() != 2 {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"nothing":              nil,
		"other version":        record(2, sound[1:]),
		"changes beyond bytes": record(1, []byte{0xff, 0xff, 0xff, 0xff, 0x07}, 1),
		"actors beyond bytes":  record(1, 2, []byte{0xff, 0xff, 0x7f}),
		"same hash twice":      record(sound[:len(sound)-32], hash(1)),
		"a hash is missing":    sound[:len(sound)-32],
		"half a hash":          sound[:len(sound)-16],
		"a hash too many":      record(sound, hash(3)),
		"same actor twice":     record(1, 2, 2, "a", "a", "\x00\x01\x01\x01", "\x00\x02", "\x00\x01\x01\x01", "\x01\x02", "", two),
		"unknown author":       record(1, 2, 1, "a", "\x00\x01\x01\x01", "\x00\x02", "\x00\x01\x01\x01", "\x01\x02", "", two),
		"negative author":      record(1, 2, 1, "a", "\x7f\x02", "\x00\x02", "\x00\x01\x01\x01", "\x01\x02", "", two),
		"actor without change": record(1, 2, 2, "a", "b", "\x00\x02", "\x00\x02", "\x00\x01\x01\x01", "\x01\x02", "", two),
		"seq 0":                record(1, 2, 1, "a", "\x00\x02", "\x7f\x02", "\x00\x01\x01\x01", "\x01\x02", "", two),
		"negative maxOp":       record(1, 2, 1, "a", "\x00\x02", "\x00\x02", "\x00\x01\x01\x01", "\x7f\x02", "", two),
		"depends on itself":    record(1, 2, 1, "a", "\x00\x02", "\x00\x02", "\x01\x02", "\x01\x02", "", two),
		"empty run":            record(1, 2, 1, "a", "\x00\x00", "\x00\x02", "\x00\x01\x01\x01", "\x01\x02", "", two),
		"run ends early":       record(1, 2, 1, "a", "\x00\x01", "\x00\x02", "\x00\x01\x01\x01", "\x01\x02", "", two),
		"run goes on":          record(1, 2, 1, "a", "\x00\x03", "\x00\x02", "\x00\x01\x01\x01", "\x01\x02", "", two),
		"distance of nobody":   record(1, 2, 1, "a", "\x00\x02", "\x00\x02", "\x00\x01\x01\x01", "\x01\x02", "\x01", two),
		"distance is missing":  record(1, 3, 1, "a", "\x00\x03", "\x00\x03", "\x00\x02\x7e\x01", "\x01\x03", "\x02", two, hash(3)),
		"distance 0":           record(1, 3, 1, "a", "\x00\x03", "\x00\x03", "\x00\x02\x7e\x01", "\x01\x03", "\x02\x00", two, hash(3)),
		"distance to itself":   record(1, 3, 1, "a", "\x00\x03", "\x00\x03", "\x00\x02\x7e\x01", "\x01\x03", "\x02\x02", two, hash(3)),
	} {
		if g, err := RestoreGraph(b); g != nil || !errors.Is(err, errGraphRecord) {
			t.Errorf("%s: %v, %v", name, g, err)
		}
	}
}

// Many heads would make every further change cost time.
func TestGraphRecordWithTooManyHeads(t *testing.T) {
	g := NewGraph()
	for i := range MaxHeads + 1 {
		if err := g.Restore(step(i, ActorID(fmt.Sprint(i)), 1, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := RestoreGraph(g.AppendRecord(nil)); !errors.Is(err, errGraphRecord) {
		t.Fatal(err)
	}
}

// FuzzRestoreGraph checks that what can be restored is a graph that works and
// has the record.
func FuzzRestoreGraph(f *testing.F) {
	f.Add(NewGraph().AppendRecord(nil))
	f.Add(typing(f, 120).AppendRecord(nil))
	f.Fuzz(func(t *testing.T, record []byte) {
		g, err := RestoreGraph(record)
		if err != nil {
			return
		}
		sameGraph(t, restored(t, g), g)
		if len(g.Since(nil)) != g.Len() || len(g.Since(g.Heads())) != 0 {
			t.Fatal("the heads don't cover the graph")
		}
		if _, err := g.Append(Header{Hash: Hash{0xfe, 1, 2}, Deps: g.Heads(), Actor: "fuzz", Seq: 1, StartOp: 1 << 31}); errors.Is(err, ErrKnown) {
			t.Fatal(err)
		}
	})
}

func BenchmarkRestoreGraph(b *testing.B) {
	for _, n := range []int{1_000, 50_000, 1_000_000} {
		b.Run(fmt.Sprintf("changes=%d", n), func(b *testing.B) {
			record := typing(b, n).AppendRecord(nil)
			b.SetBytes(int64(len(record)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := RestoreGraph(record); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
