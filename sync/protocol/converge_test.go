package protocol

import (
	"math/rand/v2"
	"slices"
	"testing"

	"concord/crdt"
)

// wire is two peers, their documents, and the messages between them.
type wire struct {
	t     testing.TB
	peers [2]*side
	label uint64
}

type side struct {
	*memory
	state   *State
	options Options
	cache   *Cache
	inbox   [][]byte
}

// fakeDocument writes a document chunk that holds its changes as they are.
func (d *memory) fakeDocument() (Whole, error) {
	n := d.graph.Len()
	doc := documentOf(d.chunks[:n])
	for _, h := range d.sortedOrphans() {
		doc = append(doc, d.orphans[h]...)
	}
	return Whole{doc, n, n}, nil
}

// fakeSnapshot writes a document chunk with the older half of the changes, and
// some of the others after it.
func (d *memory) fakeSnapshot() (Whole, error) {
	old := d.graph.Len() / 2
	if old == 0 {
		return Whole{}, nil
	}
	all := old + (d.graph.Len()-old)/2
	return Whole{append(documentOf(d.chunks[:old]), slices.Concat(d.chunks[old:all]...)...), old, all}, nil
}

func documentOf(changes [][]byte) []byte {
	return appendBytes([]byte{0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 0}, slices.Concat(changes...))
}

func (d *memory) sortedOrphans() (hs []crdt.Hash) {
	for h := range d.orphans {
		hs = append(hs, h)
	}
	crdt.SortHashes(hs)
	return hs
}

func newWire(t testing.TB, setup uint16) *wire {
	w := &wire{t: t}
	for n := range w.peers {
		d := newMemory()
		d.load = func(chunk []byte) [][]byte {
			r := reader{b: chunk, at: 9}
			data, err := r.bytes("document")
			if err != nil {
				t.Fatal(err)
			}
			return splitChunks(t, data)
		}
		s := &side{memory: d}
		if setup&(1<<n) != 0 {
			s.options.Advertise = AdvertiseV2
		}
		if setup&(4<<n) != 0 {
			d.whole = d.fakeDocument
			if setup&1024 != 0 {
				d.whole = d.fakeSnapshot
			}
		}
		if setup&2048 != 0 {
			d.few = true
		}
		if setup&(16<<n) != 0 {
			s.cache = &Cache{}
		}
		s.options.Acknowledge = n == 0 && setup&256 != 0
		s.options.ExactHeads = n == 0 && setup&512 != 0
		if setup&64 != 0 {
			s.options.ChangeBytes = 300 // a few changes
		}
		s.options.ReadOnlyPeer = n == 0 && setup&128 != 0
		s.state = New(s.options)
		w.peers[n] = s
	}
	return w
}

// generate puts the next message of a peer on its way; forge may change it.
func (w *wire) generate(n int, forge func(*Message)) bool {
	s := w.peers[n]
	out := mustGenerate(w.t, s.state, s.memory, s.cache)
	if out == nil {
		return false
	}
	b := out.Bytes
	if forge != nil {
		m, err := Decode(slices.Clone(b), Limits{})
		if err != nil {
			w.t.Fatal(err)
		}
		forge(m)
		b = m.Append(nil)
	}
	w.peers[1-n].inbox = append(w.peers[1-n].inbox, b)
	return true
}

func (w *wire) deliver(n int) bool {
	s := w.peers[n]
	if len(s.inbox) == 0 {
		return false
	}
	b := slices.Clone(s.inbox[0])
	s.inbox = s.inbox[1:]
	s.receive(w.t, s.state, b)
	for i := range b { // nothing of the input may be kept
		b[i] = 0xee
	}
	return true
}

// saturate fills the filters: everything is a false positive.
func saturate(m *Message) {
	for i := range m.Have {
		raw := slices.Clone(m.Have[i].Bloom.raw)
		for at := int(m.Have[i].Bloom.header); at < len(raw); at++ {
			raw[at] = 0xff
		}
		m.Have[i].Bloom.raw = raw
	}
}

func (w *wire) reconnect(kept [2]bool) {
	for n, s := range w.peers {
		s.inbox = nil
		if !kept[n] {
			s.state = New(s.options)
			continue
		}
		state, err := Load(s.state.Save(), s.options)
		if err != nil {
			w.t.Fatal(err)
		}
		s.state = state
		if w.label%2 == 0 {
			s.state.Prune(s.graph)
		}
	}
}

// branch makes a change on top of some old change.
func (w *wire) branch(n int, pick byte) {
	s := w.peers[n]
	if s.graph.Len() == 0 {
		return
	}
	w.label++
	s.add(w.t, fakeChange([]crdt.Hash{s.graph.HashAt(int(pick) % s.graph.Len())}, w.label, 40))
}

func (w *wire) run(script []byte) {
	for at := 0; at < len(script); at++ {
		op, n := script[at]>>1&15, int(script[at]&1)
		switch op {
		case 0, 1, 2:
			w.label++
			w.peers[n].edit(w.t, w.label)
		case 3:
			w.branch(n, script[at]>>5)
		case 4, 5, 6:
			w.generate(n, nil)
		case 7:
			w.generate(n, saturate)
		case 8, 9, 10, 11:
			w.deliver(n)
		case 12:
			w.reconnect([2]bool{true, true})
		case 13:
			w.reconnect([2]bool{n == 0, n == 1})
		case 14:
			w.peers[n].state.Settle(w.peers[n].graph)
		case 15:
			if len(w.peers[n].orphans) > 0 {
				clear(w.peers[n].orphans)
				w.peers[n].state.RequestReset()
			}
		}
	}
	w.settle()
}

// settle exchanges messages until both are silent.
func (w *wire) settle() {
	w.t.Helper()
	for range 400 {
		busy := false
		for n := range w.peers {
			for w.deliver(n) {
				busy = true
			}
			busy = w.generate(n, nil) || busy
		}
		if !busy {
			w.check()
			return
		}
	}
	w.t.Fatalf("still talking; heads %v and %v", short(w.peers[0].graph.Heads()), short(w.peers[1].graph.Heads()))
}

func (w *wire) check() {
	w.t.Helper()
	a, b := w.peers[0], w.peers[1]
	if a.refuse != nil {
		w.checkRefusals()
		return
	}
	if !a.options.ReadOnlyPeer {
		if !slices.Equal(a.graph.Heads(), b.graph.Heads()) {
			w.t.Fatalf("silent with heads %v and %v", short(a.graph.Heads()), short(b.graph.Heads()))
		}
		return
	}
	for i := range a.graph.Len() {
		if !b.graph.Has(a.graph.HashAt(i)) {
			w.t.Fatalf("the viewer lacks change %d of %d", i, a.graph.Len())
		}
	}
}

// checkRefusals checks that all is everywhere but what peer 0 refused and what
// builds on that.
func (w *wire) checkRefusals() {
	w.t.Helper()
	a, b := w.peers[0], w.peers[1]
	for i := range a.graph.Len() {
		if !b.graph.Has(a.graph.HashAt(i)) {
			w.t.Fatalf("change %d of the refusing peer is missing", i)
		}
	}
	lost := make([]bool, b.graph.Len())
	for i := range lost {
		h := b.graph.HashAt(i)
		lost[i] = a.refuse(h)
		for _, d := range b.graph.Dependencies(i) {
			lost[i] = lost[i] || lost[d]
		}
		if a.graph.Has(h) == lost[i] {
			w.t.Fatalf("change %d: present %v, lost %v", i, a.graph.Has(h), lost[i])
		}
	}
}

// One peer refuses every eighth change, and keeps what builds on these as
// orphans: both fall silent, and all other changes get through.
func TestConvergeAroundRefusals(t *testing.T) {
	for setup := range 4096 {
		if setup&128 != 0 {
			continue // everything of a viewer is refused
		}
		for seed := range uint64(2) {
			random := rand.New(rand.NewPCG(seed, uint64(setup)))
			script := make([]byte, 20+random.IntN(80))
			for i := range script {
				script[i] = byte(random.Uint32())
			}
			w := newWire(t, uint16(setup))
			w.peers[0].refuse = func(h crdt.Hash) bool { return h[31]&7 == 0 }
			w.run(script)
			if t.Failed() {
				t.Fatalf("setup %d, seed %d", setup, seed)
			}
		}
	}
}

func FuzzConverge(f *testing.F) {
	f.Add(uint16(0), []byte{0, 0, 1, 1, 8, 9, 16, 17, 8, 9})
	f.Add(uint16(3), []byte{0, 1, 14, 15, 16, 17, 0, 24, 8, 25, 9, 16, 17})
	f.Add(uint16(0x4f), []byte{0, 0, 0, 0, 0, 0, 0, 0, 8, 17, 9, 16, 24, 1, 6, 27, 39, 8, 9, 30})
	f.Add(uint16(0x83), []byte{0, 1, 8, 17, 9, 16, 0, 1, 8, 9})
	f.Fuzz(func(t *testing.T, setup uint16, script []byte) {
		if len(script) > 200 {
			script = script[:200]
		}
		newWire(t, setup).run(script)
	})
}

// Random interleavings of edits, branches, messages, false positives, lost
// connections and resets, for every mix of options.
func TestConverge(t *testing.T) {
	for setup := range 4096 {
		for seed := range uint64(2) {
			random := rand.New(rand.NewPCG(seed, uint64(setup)))
			script := make([]byte, 20+random.IntN(120))
			for i := range script {
				script[i] = byte(random.Uint32())
			}
			newWire(t, uint16(setup)).run(script)
			if t.Failed() {
				t.Fatalf("setup %d, seed %d", setup, seed)
			}
		}
	}
}
