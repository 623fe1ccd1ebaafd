package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/crdt"
	"concord/store"
)

// other is a document that was made elsewhere.
func other(t *testing.T, actor crdt.ActorID, edits int) *crdt.Doc {
	t.Helper()
	d := crdt.New()
	d.SetActor(actor)
	for i := range edits {
		if _, err := d.Edit(crdt.EditOptions{Time: 1}, func(tx *crdt.Tx) error {
			_, err := tx.Set(crdt.Root, fmt.Sprint(string(actor), i), i)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func (r *rig) bring(chunks []byte, records ...store.Record) Imported {
	r.tb.Helper()
	got, err := r.hub.Import(r.tb.Context(), keyOf(docA), office, chunks, records)
	if err != nil {
		r.tb.Fatal(err)
	}
	return got
}

func TestImport(t *testing.T) {
	r := newRig(t, Options{})
	a := r.connect(alice(), "a", "")
	a.save(docA, "x")
	x, y := other(t, "xxxx", 30), other(t, "yyyy", 20)
	changes := y.SaveSince(nil)
	broken := bytes.Clone(changes)
	broken[len(broken)-1] ^= 1
	steps := []struct {
		name                string
		chunks              []byte
		new, known, waiting int
		refused             int
	}{
		{"nothing", nil, 0, 0, 0, 0},
		{"a document and changes", slices.Concat(x.Save(), changes), 50, 0, 0, 0},
		{"the same again", slices.Concat(x.Save(), changes), 0, 50, 0, 0},
		{"a later one, with another", slices.Concat(other(t, "xxxx", 35).Save(), other(t, "zzzz", 1).Save()), 6, 30, 0, 0},
		{"without what is before", other(t, "wwww", 3).SaveSince(other(t, "wwww", 1).Heads()), 0, 0, 2, 0},
		{"that, backwards", slices.Concat(other(t, "wwww", 3).SaveSince(other(t, "wwww", 1).Heads()), other(t, "wwww", 1).Save()), 3, 0, 0, 0},
		{"a damaged change", broken, 0, 19, 0, 1},
		{"garbage", []byte("garbage"), 0, 0, 0, 1},
		{"garbage after something", slices.Concat(other(t, "vvvv", 1).Save(), []byte("garbage")), 1, 0, 0, 1},
	}
	for _, s := range steps {
		got := r.bring(s.chunks)
		if got.New != s.new || got.Known != s.known || got.Waiting != s.waiting || len(got.Refused) != s.refused {
			t.Errorf("%s: %d new, %d known, %d waiting, %d refused", s.name, got.New, got.Known, got.Waiting, len(got.Refused))
		}
		if _, heads := r.json(docA); !slices.Equal(got.Heads, heads) {
			t.Errorf("%s: heads %v, want %v", s.name, got.Heads, heads)
		}
	}
	a.until("all changes", func() bool { return a.doc(docA).graph.Len() == 61 })
	var run store.Run
	if err := r.store.Attributions(keyOf(docA), 60, 61, func(r store.Run) error { run = r; return nil }); err != nil || run.User != office.User || run.Device != office.Device {
		t.Errorf("attributed to %+v, %v", run, err)
	}
	if !r.hub.staged.TryAcquire(r.hub.opts.StagedBytes) || !r.hub.inflated.TryAcquire(int64(r.hub.opts.MaxInflated)) {
		t.Error("budgets weren't given back")
	}
	r.hub.staged.Release(r.hub.opts.StagedBytes)
	r.hub.inflated.Release(int64(r.hub.opts.MaxInflated))
}

func TestImportCommitsRecordsOnce(t *testing.T) {
	r := newRig(t, Options{Guards: new(fence)})
	ref := store.Record{Table: store.TableReferences, Key: []byte("invoice\x004711"), Value: docA[:], Absent: true}
	kind := store.Record{Table: store.TableDocumentTypes, Key: docA[:], Value: ref.Key}
	d := other(t, "xxxx", 3)
	if _, err := d.Edit(crdt.EditOptions{}, func(tx *crdt.Tx) error { _, err := tx.Set(crdt.Root, "x", 5); return err }); err != nil {
		t.Fatal(err)
	}
	if got := r.bring(d.Save(), ref, kind); got.New != 4 || len(got.Heads) != 1 {
		t.Errorf("imported %+v", got)
	}
	if _, err := r.hub.Import(t.Context(), keyOf(docB), office, d.Save(), []store.Record{ref}); !errors.Is(err, store.ErrExists) {
		t.Errorf("another document with the reference: %v", err)
	}
	if _, found, _ := r.store.Document(keyOf(docB)); found {
		t.Error("it was made all the same")
	}
	ref.Key = []byte("order\x001")
	kind.Value = []byte("invoice\x001")
	r.bring(nil, ref, kind)
	if _, ok, err := r.store.Get("acme", ref.Table, ref.Key); !ok || err != nil {
		t.Errorf("records alone: %v %v", ok, err)
	}
	// What comes later is judged.
	if _, err := d.Edit(crdt.EditOptions{}, func(tx *crdt.Tx) error { _, err := tx.Set(crdt.Root, "x", 6); return err }); err != nil {
		t.Fatal(err)
	}
	got := r.bring(d.Save())
	if content, heads := r.json(docA); got.New != 1 || !bytes.Contains([]byte(content), []byte(`"x":5`)) || !slices.Equal(heads, got.Heads) {
		t.Errorf("%d new, content %s", got.New, content)
	}
}

func TestExportIsWhatWasStored(t *testing.T) {
	r := newSnapshotRig(t, Options{})
	if _, err := r.hub.Export(t.Context(), keyOf(docA)); !errors.Is(err, ErrNotFound) {
		t.Errorf("of nothing: %v", err)
	}
	a := r.connect(alice(), "a", "")
	for i := range 30 {
		a.save(docA, fmt.Sprint("k", i))
		if i%7 == 0 {
			time.Sleep(time.Millisecond)
		}
		file, err := r.hub.Export(t.Context(), keyOf(docA))
		if err != nil {
			t.Fatal(err)
		}
		d, err := crdt.Load(file, crdt.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if content, heads := r.json(docA); string(d.View().AppendJSON(nil, crdt.Root)) != content || !slices.Equal(d.Heads(), heads) {
			t.Errorf("after %d changes: %s, want %s", i+1, d.View().AppendJSON(nil, crdt.Root), content)
		}
	}
}

// TestLongActorsAreRefused: records of watchers name ops, and have to fit into the
// store.
func TestLongActorsAreRefused(t *testing.T) {
	r := newRig(t, Options{})
	fits, long := other(t, crdt.ActorID(strings.Repeat("a", maxActor)), 1), other(t, crdt.ActorID(strings.Repeat("b", maxActor+1)), 1)
	got := r.bring(slices.Concat(fits.Save(), long.Save()))
	if got.New != 1 || len(got.Refused) != 1 || got.Refused[0].Reason != crdt.ReasonLimit {
		t.Errorf("%d new, refused: %v", got.New, got.Refused)
	}
}

// TestCallersReuseTheirMemory ends calls whose changes are on their way to the
// disk, and overwrites what these were given in.
func TestCallersReuseTheirMemory(t *testing.T) {
	for name, call := range map[string]func(r *rig, ctx context.Context, c *crdt.Change) (memory []byte, err error){
		"import": func(r *rig, ctx context.Context, c *crdt.Change) ([]byte, error) {
			memory := bytes.Clone(c.Bytes())
			_, err := r.hub.Import(ctx, keyOf(docA), office, memory, nil)
			return memory, err
		},
		"sync": func(r *rig, ctx context.Context, c *crdt.Change) ([]byte, error) {
			memory := rawSync([]crdt.Hash{c.Hash}, c.Bytes())
			_, err := r.hub.Sync(ctx, alice(), "", docA, memory)
			return memory, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, s := newHookedRig(t, Options{})
			ctx, cancel := context.WithCancel(t.Context())
			overwritten, written := make(chan struct{}), make(chan error, 1)
			s.set(func(s *hookedStore) {
				s.onAppend = func(_ store.Append, through func() error, done func(error)) error {
					cancel()
					go func() {
						<-overwritten
						written <- through()
					}()
					return nil
				}
			})
			d := other(t, "xxxx", 1)
			want, err := crdt.ParseChange(d.SaveSince(nil), crdt.Limits{ChunkBytes: 1 << 20, Ops: 100, Deps: 10})
			if err != nil {
				t.Fatal(err)
			}
			memory, err := call(r, ctx, want)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("the call ends with %v", err)
			}
			for i := range memory {
				memory[i] = 0xaa
			}
			close(overwritten)
			if err := <-written; err != nil {
				t.Error(err)
			}
			s.set(func(s *hookedStore) { s.onAppend = nil })
			r.edit(docA, "after", 1) // comes after it
			if got, err := r.store.Change(keyOf(docA), 0); err != nil || !bytes.Equal(got, want.Bytes()) {
				t.Errorf("stored is %x, want %x: %v", got, want.Bytes(), err)
			}
		})
	}
}
