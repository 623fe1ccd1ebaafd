package hub

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"concord/crdt"
	"concord/store"
	"concord/sync/protocol"
)

// receipts shows what Receipts says, one device per text.
func (r *rig) receipts(change crdt.Hash) (stage Stage, devices []string) {
	r.tb.Helper()
	got, err := r.hub.Receipts(r.tb.Context(), keyOf(docA), change)
	if err != nil {
		r.tb.Fatal(err)
	}
	for _, d := range got.Devices {
		heads := "elsewhere"
		if slices.Equal(d.Heads, got.Heads) {
			heads = "all"
		}
		devices = append(devices, fmt.Sprintf("%s %s %s connected=%v has=%v", d.User, d.Device, heads, d.Connected, d.Has))
		if d.Has && d.Since.IsZero() {
			r.tb.Errorf("%s %s: no time", d.User, d.Device)
		}
	}
	return got.Change.Stage, devices
}

func TestReceiptsOfDevices(t *testing.T) {
	r := newRig(t, Options{})
	a := r.connect(alice(), "a", "laptop")
	b := r.connect(bob(), "b", "phone")
	first := a.save(docA, "x")
	b.request(docA)
	b.has(docA, first.Hash)
	b.quiet()
	b.leaveSocket()
	waitFor(t, "bob's end", func() bool {
		_, devices := r.receipts(first.Hash)
		return slices.Equal(devices, []string{"alice laptop all connected=true has=true", "bob phone all connected=false has=true"})
	})
	second := a.save(docA, "y")
	stage, devices := r.receipts(second.Hash)
	if want := []string{"alice laptop all connected=true has=true", "bob phone elsewhere connected=false has=false"}; stage != StageDurable || !slices.Equal(devices, want) {
		t.Errorf("%v %q", stage, devices)
	}
	if stage, devices := r.receipts(first.Hash); stage != StageSeen || devices[1] != "bob phone elsewhere connected=false has=true" {
		t.Errorf("%v %q", stage, devices)
	}
	if stage, _ := r.receipts(crdt.Hash{1}); stage != StageUnknown {
		t.Errorf("a change that isn't there: %v", stage)
	}

	// A device without a storage ID is known while it is connected.
	passing := r.connect(bob(), "tab", "")
	passing.request(docA)
	passing.has(docA, second.Hash)
	passing.quiet()
	if stage, devices := r.receipts(second.Hash); stage != StageSeen || !slices.Contains(devices, "bob tab all connected=true has=true") {
		t.Errorf("%v %q", stage, devices)
	}
	a.leaveSocket()
	passing.leaveSocket()
	r.stop()
	r.start(Options{})
	if stage, devices := r.receipts(second.Hash); stage != StageDurable || !slices.Equal(devices, []string{
		"alice laptop all connected=false has=true", "bob phone elsewhere connected=false has=false"}) {
		t.Errorf("after a restart: %v %q", stage, devices)
	}
}

func TestReceiptsOfAChangeThatWaits(t *testing.T) {
	r := newRig(t, Options{})
	a := r.connect(alice(), "a", "laptop")
	a.save(docA, "x")
	b := r.connect(bob(), "b", "phone")
	b.docs = a.docs
	missing := b.edit(docA, "y")
	waiting := b.edit(docA, "z")
	b.push(docA, waiting)
	waitFor(t, "the orphan", func() bool { stage, _ := r.receipts(waiting.Hash); return stage == StageReceived })
	if stage, _ := r.receipts(missing.Hash); stage != StageUnknown {
		t.Errorf("a change that hasn't come: %v", stage)
	}
}

func TestReceiptsOfNothing(t *testing.T) {
	r := newRig(t, Options{})
	if _, err := r.hub.Receipts(t.Context(), keyOf(docA), crdt.Hash{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("no document: %v", err)
	}
	a := r.connect(alice(), "a", "laptop")
	a.save(docA, "x")
	other := store.DocKey{Company: "globex", Document: docA}
	if _, err := r.hub.Receipts(t.Context(), other, crdt.Hash{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("another company: %v", err)
	}
	if err := r.hub.Purge(t.Context(), keyOf(docA), store.Purge{By: "alice"}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.hub.Receipts(t.Context(), keyOf(docA), crdt.Hash{}); !errors.Is(err, ErrPurged) {
		t.Errorf("a deleted document: %v", err)
	}
}

func TestDescendants(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	g := crdt.NewGraph()
	for i := range 60 {
		var deps []crdt.Hash
		for range min(i, 1+rng.IntN(3)) {
			deps = append(deps, g.HashAt(rng.IntN(i)))
		}
		crdt.SortHashes(deps)
		c, err := crdt.EncodeChange(crdt.ChangeMeta{Deps: slices.Compact(deps), Actor: crdt.ActorID(fmt.Sprintf("actor%d", i)), Seq: 1, StartOp: 100, Time: 1},
			[]crdt.Op{{Action: crdt.ActionSet, Key: crdt.MapKey("x"), Value: crdt.IntValue(1)}})
		if err == nil {
			err = g.Restore(c.Header())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range g.Len() {
		later := descendants(g, i)
		for j := range g.Len() {
			want := len(g.AncestorsAmong([]crdt.Hash{g.HashAt(j)}, []int{i})) > 0
			if got := j >= i && later[j-i]; got != want {
				t.Errorf("%d after %d: %v", j, i, got)
			}
		}
	}
}

// A record of an older server is a bare state.
func TestSavedStates(t *testing.T) {
	state := protocol.New(protocol.Options{}).Save()
	if got, err := decodeSaved(state); err != nil || got.user != "" || !bytes.Equal(got.state, state) {
		t.Errorf("a bare state: %+v %v", got, err)
	}
	want := savedState{"alice", "laptop", time.UnixMilli(1234567890123).UTC(), state}
	b := want.encode()
	got, err := decodeSaved(b)
	if err != nil || got.user != want.user || got.device != want.device || !got.since.Equal(want.since) || !bytes.Equal(got.state, state) {
		t.Errorf("%+v %v", got, err)
	}
	for n := 1; n < len(b)-len(state); n++ {
		if _, err := decodeSaved(b[:n]); err == nil {
			t.Errorf("%d bytes are taken", n)
		}
	}
}
