package snapshot

import (
	"bytes"
	"log/slog"
	"os/exec"
	"strings"
	"testing"

	"concord/crdt"
	"concord/store"
)

// often makes snapshots of small documents.
var often = Policy{Changes: 5, Growth: 10, ColdChanges: 2}

// Documents that grow get snapshots again and again, and stay what they are.
func TestSnapshotsFollow(t *testing.T) {
	b := newBench(t, Options{Policy: often, Workers: 2})
	histories := []*history{newHistory(1), newHistory(2), newHistory(3)}
	for range 12 {
		for n, h := range histories {
			h.grow(t, 7)
			b.append(key(byte(n)), h)
			b.pool.Want(key(byte(n)), false)
		}
		b.idle()
	}
	st := b.pool.Stats()
	if st.Written < 3*8 || st.Failed != 0 || st.BytesIn == 0 || st.BytesOut == 0 || st.Busy <= 0 || st.Oldest != 0 {
		t.Errorf("stats: %+v", st)
	}
	for n, h := range histories {
		covered := int(b.info(key(byte(n))).SnapshotChanges)
		if covered < len(h.changes)-9 {
			t.Errorf("snapshot covers %d changes of %d", covered, len(h.changes))
		}
		b.expectDocument(key(byte(n)), h, covered)
	}
}

func TestWantOfWhatIsNotDue(t *testing.T) {
	b := newBench(t, Options{Policy: often})
	h := newHistory(1)
	b.pool.Want(key(1), true) // no document
	b.idle()
	h.grow(t, 4)
	b.append(key(1), h)
	b.pool.Want(key(1), false)
	b.idle()
	b.expectDocument(key(1), h, 0)
	b.pool.Want(key(1), true)
	b.idle()
	b.expectDocument(key(1), h, 4)
	if st := b.pool.Stats(); st.Written != 1 || st.Failed != 0 || st.Changes != 4 {
		t.Errorf("stats: %+v", st)
	}
}

// faulty is a document whose snapshot isn't what it should be.
type faulty struct {
	document
	drop bool
	save func(chunk []byte) []byte
	last *crdt.Change
}

func (f *faulty) Apply(changes ...*crdt.Change) error {
	if f.drop { // one change late
		if f.last != nil {
			if err := f.document.Apply(f.last); err != nil {
				return err
			}
		}
		f.last = changes[len(changes)-1]
		changes = changes[:len(changes)-1]
	}
	return f.document.Apply(changes...)
}

func (f *faulty) Save() []byte { return f.save(f.document.Save()) }

// Whatever is wrong with an encoded snapshot, the changes stay as they are, and the document isn't tried again soon.
func TestWrongSnapshotIsCaught(t *testing.T) {
	for name, c := range map[string]struct {
		drop bool
		save func([]byte) []byte
		want string
	}{
		"a change is missing": {true, func(b []byte) []byte { return b }, "isn't the stored one"},
		"another document": {false, func([]byte) []byte {
			other := crdt.New()
			if err := other.Apply(newHistory(2).grow(t, 8)...); err != nil {
				t.Error(err)
			}
			return other.Save()
		}, "isn't the stored one"},
		"one byte": {false, func(b []byte) []byte { b[len(b)/2] ^= 1; return b }, "checksum"},
		"nothing":  {false, func([]byte) []byte { return nil }, "isn't the stored one"},
		"more":     {false, func(b []byte) []byte { return append(b, b...) }, "follow"},
		"panic":    {false, func([]byte) []byte { panic("encoder is broken") }, "encoder is broken"},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			b := newBench(t, Options{Policy: often, Log: slog.New(slog.NewTextHandler(&log, nil)),
				open: func(chunk []byte) (document, error) {
					d, err := openDocument(chunk)
					return &faulty{document: d, drop: c.drop, save: c.save}, err
				}})
			h := newHistory(1)
			h.grow(t, 8)
			for range 2 {
				b.append(key(1), h)
				b.pool.Want(key(1), false)
				b.idle()
				b.expectDocument(key(1), h, 0)
				h.grow(t, 6)
			}
			if st := b.pool.Stats(); st.Failed != 1 || st.Written != 0 {
				t.Errorf("after a failure and 6 more changes: %+v", st)
			}
			b.append(key(1), h)
			b.pool.Want(key(1), false)
			b.idle()
			if st := b.pool.Stats(); st.Failed != 2 {
				t.Errorf("after doubling: %+v", st)
			}
			b.pool.Close()
			if text := log.String(); !strings.Contains(text, c.want) || !strings.Contains(text, key(1).Document.String()) {
				t.Errorf("log: %s", text)
			}
		})
	}
}

// The build with the tag concord_break_snapshot drops one operation from each snapshot: TestDroppedOperation runs in it.
func TestBrokenBuild(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-tags=concord_break_snapshot",
		"-run=^TestDroppedOperation$", "-v", ".").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestDroppedOperation") {
		t.Errorf("%v\n%s", err, out)
	}
}

// A document that waits isn't added again, and one that is worked on waits for the next time.
func TestQueue(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	b := newBench(t, Options{Policy: often, open: func(chunk []byte) (document, error) {
		entered <- struct{}{}
		<-leave
		return openDocument(chunk)
	}})
	h := newHistory(1)
	h.grow(t, 8)
	b.append(key(1), h)
	b.append(key(2), h)
	b.pool.Want(key(1), false)
	<-entered
	for range 3 {
		b.pool.Want(key(1), false)
		b.pool.Want(key(2), false)
	}
	if st := b.pool.Stats(); st.Backlog != 3 || st.Oldest <= 0 {
		t.Errorf("stats: %+v", st)
	}
	close(leave)
	<-entered // the second document; the first isn't due again
	b.idle()
	if st := b.pool.Stats(); st.Written != 2 || st.Backlog != 0 || st.Oldest != 0 {
		t.Errorf("stats: %+v", st)
	}
}

// A pool that is closed stops between two steps and leaves the document as it is.
func TestClose(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	b := newBench(t, Options{Policy: often, open: func(chunk []byte) (document, error) {
		close(entered)
		<-leave
		return openDocument(chunk)
	}})
	h := newHistory(1)
	h.grow(t, 8)
	b.append(key(1), h)
	b.pool.Want(key(1), false)
	b.pool.Want(key(2), false)
	<-entered
	b.pool.cancel() // which Close does before it waits
	close(leave)
	b.pool.Close()
	b.expectDocument(key(1), h, 0)
	if st := b.pool.Stats(); st.Written != 0 || st.Failed != 0 {
		t.Errorf("stats: %+v", st)
	}
}

// What the store holds is proven by Verifier, which check uses.
func TestVerifier(t *testing.T) {
	h, other := newHistory(1), newHistory(2)
	h.grow(t, 10)
	other.grow(t, 10)
	chunk := func(changes ...*crdt.Change) []byte {
		d := crdt.New()
		if err := d.Apply(changes...); err != nil {
			t.Fatal(err)
		}
		return d.Save()
	}
	sound := store.Snapshot{Changes: 10, Chunk: chunk(h.changes...), Graph: h.graph.AppendRecord(nil)}
	v := NewVerifier()
	if err := v.Start(sound); err != nil {
		t.Fatal(err)
	}
	next := h.grow(t, 1)[0]
	if err := v.Add(store.Hash(next.Hash), next.Bytes()); err != nil {
		t.Fatal(err)
	}
	if heads := v.Heads(); len(heads) != len(h.graph.Heads()) || heads[0] != store.Hash(h.graph.Heads()[0]) {
		t.Errorf("heads %x", heads)
	}
	for name, snap := range map[string]store.Snapshot{
		"another count":    {Changes: 9, Chunk: sound.Chunk, Graph: sound.Graph},
		"another graph":    {Changes: 10, Chunk: sound.Chunk, Graph: other.graph.AppendRecord(nil)},
		"no graph":         {Changes: 10, Chunk: sound.Chunk, Graph: []byte{1}},
		"a change is less": {Changes: 10, Chunk: chunk(h.changes[:9]...), Graph: sound.Graph},
		"a change is more": {Changes: 10, Chunk: chunk(h.changes...), Graph: sound.Graph},
		"no document":      {Changes: 10, Chunk: h.changes[0].Bytes(), Graph: sound.Graph},
		"cut":              {Changes: 10, Chunk: sound.Chunk[:50], Graph: sound.Graph},
		"two":              {Changes: 10, Chunk: append(bytes.Clone(sound.Chunk), sound.Chunk...), Graph: sound.Graph},
	} {
		if err := NewVerifier().Start(snap); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestOptions(t *testing.T) {
	if _, err := NewPool(nil, Options{Workers: -1}); err == nil {
		t.Error("negative number of workers")
	}
}
