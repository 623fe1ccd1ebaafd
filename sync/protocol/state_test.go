package protocol

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"unsafe"

	"concord/crdt"
)

// decoded is what a generated message says.
func decoded(t testing.TB, out *Encoded) *Message {
	t.Helper()
	if out == nil {
		t.Fatal("nothing to say")
	}
	m, err := Decode(out.Bytes, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// pair returns two peers that are in sync, and their states.
func pair(t testing.TB, n int, a, b Options) (*memory, *memory, *State, *State) {
	t.Helper()
	d := history(t, n)
	e := d.clone(t)
	s, u := New(a), New(b)
	talk(t, d, e, s, u)
	return d, e, s, u
}

// talk exchanges messages until there is nothing to say, and counts them.
func talk(t testing.TB, d, e *memory, s, u *State) (messages int) {
	t.Helper()
	for range 50 {
		to, from := mustGenerate(t, s, d, nil), mustGenerate(t, u, e, nil)
		if to == nil && from == nil {
			return messages
		}
		for _, m := range []struct {
			out   *Encoded
			doc   *memory
			state *State
		}{{to, e, u}, {from, d, s}} {
			if m.out != nil {
				m.doc.receive(t, m.state, slices.Clone(m.out.Bytes))
				messages++
			}
		}
	}
	t.Fatal("still talking")
	return 0
}

func TestAdvertise(t *testing.T) {
	for _, c := range []struct {
		options Options
		want    Flags
	}{
		{Options{}, nil},
		{Options{Advertise: AdvertiseV2}, Flags{0x02, 0x84}},
		{Options{ReadOnlyPeer: true}, Flags{0x02, 0x86}},
		{Options{Advertise: AdvertiseV2, ReadOnlyPeer: true}, Flags{0x02, 0x86}},
	} {
		m := decoded(t, mustGenerate(t, New(c.options), history(t, 3), nil))
		if !bytes.Equal(m.Flags, c.want) || (m.Flags == nil) != (c.want == nil) {
			t.Errorf("%+v: flags %x, want %x", c.options, m.Flags, c.want)
		}
	}
}

// Without a document encoder, a peer that takes V2 and has nothing gets all
// changes as change chunks in one part.
func TestEmptyPeerWithoutDocuments(t *testing.T) {
	d, e := history(t, 50), newMemory()
	s, u := New(Options{}), New(Options{Advertise: AdvertiseV2})
	d.receive(t, s, mustGenerate(t, u, e, nil).Bytes)
	out := mustGenerate(t, s, d, nil)
	m := decoded(t, out)
	if out.Version != V2 || out.Changes != 50 || len(m.Changes) != 1 || len(splitChunks(t, m.Changes[0])) != 50 {
		t.Fatalf("version %x, %d changes in %d parts", out.Version, out.Changes, len(m.Changes))
	}
	e.receive(t, u, out.Bytes)
	if e.graph.Len() != 50 {
		t.Fatalf("%d changes arrived", e.graph.Len())
	}
	d.edit(t, 1000) // before the peer answers
	if out := mustGenerate(t, s, d, nil); out.Changes != 1 {
		t.Fatalf("%d changes, want the new one alone", out.Changes)
	}
}

// A peer that misses half of the history and takes V2 gets it in one message.
func TestHalfInOneMessage(t *testing.T) {
	d := history(t, 2000)
	e := newMemory()
	e.add(t, d.chunks[:1000]...)
	s, u := New(Options{}), New(Options{Advertise: AdvertiseV2})
	d.receive(t, s, mustGenerate(t, u, e, nil).Bytes)
	e.receive(t, u, mustGenerate(t, s, d, nil).Bytes)
	if missing := 2000 - e.graph.Len(); missing > 0 {
		// a false positive of the peer's filter can't occur: the head is known
		t.Fatalf("%d changes are missing", missing)
	}
}

func TestViewer(t *testing.T) {
	d, e, s, u := pair(t, 5, Options{ReadOnlyPeer: true}, Options{Advertise: AdvertiseV2})
	e.edit(t, 100)
	m := decoded(t, mustGenerate(t, u, e, nil))
	if len(m.Changes) != 0 {
		t.Fatal("the viewer sends changes, although it was told not to")
	}
	// One that sends them all the same is not asked for anything.
	m.Changes = [][]byte{e.chunks[5]}
	d.receive(t, s, m.Append(nil))
	if d.graph.Len() != 5 || slices.Equal(s.SharedHeads(), e.graph.Heads()) {
		t.Fatal("the viewer's change counts as known")
	}
	if out := mustGenerate(t, s, d, nil); out != nil && len(decoded(t, out).Need) > 0 {
		t.Fatal("the viewer's change is asked for")
	}
	d.edit(t, 200)
	if out := mustGenerate(t, s, d, nil); out.Changes != 1 {
		t.Fatalf("the viewer gets %d changes, want 1", out.Changes)
	}
}

// An orphan that was dropped comes again after a reset, in both forms of it.
func TestRequestReset(t *testing.T) {
	for _, o := range []Options{{}, {Advertise: AdvertiseV2}} {
		d, e, s, u := pair(t, 5, o, Options{Advertise: AdvertiseV2})
		e.edit(t, 100)
		lost := mustGenerate(t, u, e, nil)
		m := decoded(t, lost)
		m.Changes = nil // dropped as an orphan that found no place
		d.receive(t, s, m.Append(nil))
		s.RequestReset()
		reset := decoded(t, mustGenerate(t, s, d, nil))
		if o.Advertise == AdvertiseV2 && !reset.Flags.Reset() || o.Advertise == AdvertiseNone && (reset.Flags != nil || len(reset.Heads) != 0) {
			t.Fatalf("%+v: heads %v, flags %x", o, short(reset.Heads), reset.Flags)
		}
		e.receive(t, u, reset.Append(nil))
		if out := mustGenerate(t, u, e, nil); out == nil || out.Changes == 0 {
			t.Fatalf("%+v: nothing comes again", o)
		} else {
			d.receive(t, s, out.Bytes)
		}
		if d.graph.Len() != 6 {
			t.Fatalf("%+v: %d changes, want 6", o, d.graph.Len())
		}
		talk(t, d, e, s, u)
	}
}

// A reset is sent even while an answer is awaited, and once.
func TestRequestResetInFlight(t *testing.T) {
	d, s := history(t, 2), New(Options{})
	mustGenerate(t, s, d, nil)
	s.RequestReset()
	if mustGenerate(t, s, d, nil) == nil || mustGenerate(t, s, d, nil) != nil {
		t.Fatal("want one message after the request")
	}
}

// Peers that disagree for good fall silent: one refuses a change of the other.
func TestRefusedChangeEndsInSilence(t *testing.T) {
	for _, o := range []Options{{}, {Advertise: AdvertiseV2}} {
		d, e, s, u := pair(t, 5, o, Options{Advertise: AdvertiseV2})
		refused := e.edit(t, 100)
		d.refuse = func(h crdt.Hash) bool { return h == refused }
		if n := talk(t, d, e, s, u); n > 20 {
			t.Fatalf("%d messages", n)
		}
		// What else is new gets through.
		after := d.edit(t, 101)
		talk(t, d, e, s, u)
		if !e.graph.Has(after) {
			t.Fatal("an edit after the silence didn't arrive")
		}
	}
}

// An unknown lastSync is answered with an empty have once per message, however
// often the document changes in between.
func TestLostDataAsksOnce(t *testing.T) {
	_, e, _, u := pair(t, 5, Options{Advertise: AdvertiseV2}, Options{Advertise: AdvertiseV2})
	u, err := Load(u.Save(), Options{Advertise: AdvertiseV2})
	if err != nil {
		t.Fatal(err)
	}
	d, s := newMemory(), New(Options{Advertise: AdvertiseV2})
	d.receive(t, s, mustGenerate(t, u, e, nil).Bytes)
	m := decoded(t, mustGenerate(t, s, d, nil))
	if m.Version != V1 || len(m.Have) != 1 || len(m.Have[0].LastSync) != 0 {
		t.Fatalf("%+v", m)
	}
	d.edit(t, 100)
	if out := mustGenerate(t, s, d, nil); out != nil {
		t.Fatal("asked twice")
	}
	e.receive(t, u, m.Append(nil))
	talk(t, d, e, s, u)
	if !slices.Equal(d.graph.Heads(), e.graph.Heads()) {
		t.Fatal("heads differ")
	}
}

// After a restore from an old backup the missing changes come in one go.
func TestPruneAfterRestore(t *testing.T) {
	_, e, s, u := pair(t, 300, Options{Advertise: AdvertiseV2}, Options{Advertise: AdvertiseV2})
	old := newMemory()
	old.add(t, e.chunks[:100]...)
	kept, err := Load(s.Save(), Options{Advertise: AdvertiseV2})
	if err != nil {
		t.Fatal(err)
	}
	kept.Prune(old.graph)
	if u, err = Load(u.Save(), Options{Advertise: AdvertiseV2}); err != nil {
		t.Fatal(err)
	}
	if n := talk(t, old, e, kept, u); n > 10 {
		t.Fatalf("%d messages", n)
	}
	if old.graph.Len() != 300 {
		t.Fatalf("%d changes came back", old.graph.Len())
	}
}

func TestRepeatedNeedIsAnsweredOnce(t *testing.T) {
	d, s := history(t, 5), New(Options{})
	h := d.graph.HashAt(2)
	m := Message{Version: V1, Need: slices.Repeat([]crdt.Hash{h}, 1000), Have: []Have{{LastSync: d.graph.Heads()}}, Heads: d.graph.Heads()}
	d.receive(t, s, m.Append(nil))
	if out := mustGenerate(t, s, d, nil); out.Changes != 1 {
		t.Fatalf("%d changes", out.Changes)
	}
}

func TestChangeBytesSplitsMessages(t *testing.T) {
	d, e := history(t, 100), newMemory()
	s, u := New(Options{ChangeBytes: 1000}), New(Options{Advertise: AdvertiseV2})
	d.receive(t, s, mustGenerate(t, u, e, nil).Bytes)
	first := mustGenerate(t, s, d, nil)
	if first.Changes == 0 || first.Changes >= 100 {
		t.Fatalf("%d changes", first.Changes)
	}
	e.receive(t, u, first.Bytes)
	talk(t, d, e, s, u)
	if e.graph.Len() != 100 {
		t.Fatalf("%d changes arrived", e.graph.Len())
	}
	one := New(Options{ChangeBytes: 1})
	d.receive(t, one, mustGenerate(t, New(Options{}), newMemory(), nil).Bytes)
	if out := mustGenerate(t, one, d, nil); out.Changes != 1 {
		t.Fatalf("%d changes, want 1 whatever its size", out.Changes)
	}
}

func TestErrorLeavesStateAlone(t *testing.T) {
	d, s := history(t, 3), New(Options{})
	d.receive(t, s, mustGenerate(t, New(Options{}), newMemory(), nil).Bytes)
	doc, cache := d.document(), &Cache{}
	broken := errors.New("disk")
	doc.Change = func(int) ([]byte, error) { return nil, broken }
	if _, ok, err := s.Generate(doc, cache); ok || !errors.Is(err, broken) {
		t.Fatal(ok, err)
	}
	if out := mustGenerate(t, s, d, cache); out == nil || out.Changes != 3 {
		t.Fatal("the changes are counted as sent")
	}
}

func TestIdleStateIsSmall(t *testing.T) {
	d, e, s, u := pair(t, 500, Options{}, Options{Advertise: AdvertiseV2})
	s.Settle(d.graph)
	if size := s.Size() - 32*len(d.graph.Heads()); size > 300 {
		t.Errorf("idle state takes %d bytes, %d without lists", size, unsafe.Sizeof(*s))
	}
	shared := unsafe.SliceData(d.graph.Heads())
	for _, l := range [][]crdt.Hash{s.sharedHeads, s.lastSentHeads, s.theirHeads, s.theirHave[0].LastSync} {
		if unsafe.SliceData(l) != shared {
			t.Error("a list of heads is a copy of its own")
		}
	}
	if s.sent != nil {
		t.Error("sent changes are still counted")
	}
	e.edit(t, 1000)
	d.edit(t, 1001)
	talk(t, d, e, s, u)
	if !slices.Equal(d.graph.Heads(), e.graph.Heads()) {
		t.Error("heads differ after Settle")
	}
}

// 1,000 messages that each name other known changes besides an unknown one.
func TestSharedHeadsAreBounded(t *testing.T) {
	d, s := history(t, 3000), New(Options{})
	for i := range 1000 {
		m := Message{Version: V1, Heads: []crdt.Hash{{1, byte(i)}}}
		for j := range 3 {
			m.Heads = append(m.Heads, d.graph.HashAt(3*i+j))
		}
		d.receive(t, s, m.Append(nil))
	}
	if n := len(s.sharedHeads); n > DefaultHeads {
		t.Fatalf("%d shared heads", n)
	}
}

// A peer that sends a change, and an empty message before it gets an answer,
// is told the new heads only with Acknowledge.
func TestAcknowledge(t *testing.T) {
	for _, ack := range []bool{false, true} {
		d, e, s, u := pair(t, 5, Options{Acknowledge: ack}, Options{Advertise: AdvertiseV2})
		e.edit(t, 100)
		d.receive(t, s, mustGenerate(t, u, e, nil).Bytes)
		d.receive(t, s, (&Message{Version: V2, Heads: e.graph.Heads(), Have: []Have{{LastSync: e.graph.Heads()}}}).Append(nil))
		out := mustGenerate(t, s, d, nil)
		if (out != nil) != ack {
			t.Fatalf("acknowledge %v: message %v", ack, out != nil)
		}
		if ack && !slices.Equal(decoded(t, out).Heads, e.graph.Heads()) {
			t.Fatal("the message doesn't name the new heads")
		}
		if mustGenerate(t, s, d, nil) != nil {
			t.Fatal("acknowledged twice")
		}
	}
}

// A peer whose heads are known gets all that it lacks, whatever its filter seems
// to contain.
func TestExactHeads(t *testing.T) {
	for _, exact := range []bool{false, true} {
		d, s := history(t, 10), New(Options{ExactHeads: exact})
		all := BuildBloom(d.graph.Len(), d.graph.HashAt) // every change is a false positive
		d.receive(t, s, (&Message{Version: V1, Heads: []crdt.Hash{d.graph.HashAt(3)}, Have: []Have{{Bloom: all}}, Flags: Flags{2}}).Append(nil))
		want := 0
		if exact {
			want = 6
		}
		if out := mustGenerate(t, s, d, nil); out.Changes != want {
			t.Errorf("exact heads %v: %d changes, want %d", exact, out.Changes, want)
		}

		s = New(Options{ExactHeads: exact})
		unknown := []crdt.Hash{d.graph.HashAt(3), {9}}
		crdt.SortHashes(unknown)
		d.receive(t, s, (&Message{Version: V1, Heads: unknown, Have: []Have{{Bloom: all}}, Flags: Flags{2}}).Append(nil))
		if out := mustGenerate(t, s, d, nil); out.Changes != 0 {
			t.Errorf("exact heads %v: %d changes for a peer of which not everything is known", exact, out.Changes)
		}
	}
}

// A change of another peer that was published in the same step is not credited.
func TestBeforeHoldsOtherPeersHeads(t *testing.T) {
	d, s := history(t, 3), New(Options{})
	base := d.graph.Heads()
	theirs, others := fakeChange(base, 50, 10), fakeChange(base, 51, 10)
	d.add(t, theirs, others)
	h, _ := readChange(theirs)
	other, _ := readChange(others)
	m := Message{Version: V2, Heads: []crdt.Hash{{9}}, Changes: [][]byte{theirs}}
	s.Receive(d.document(), &m, append(slices.Clone(base), other))
	if !slices.Equal(s.sharedHeads, []crdt.Hash{h}) {
		t.Fatalf("shared %v, want %v", short(s.sharedHeads), short([]crdt.Hash{h}))
	}
}
