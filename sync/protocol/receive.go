package protocol

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math"
	"slices"

	"concord/crdt"
)

// Receive takes a message after its changes, if they were accepted, have been
// published in the graph. before is the document's heads without them: a head
// that is not in before is taken for one that came with this message, so when
// other peers' changes were published in the same step, their heads belong into
// before too. Nothing of the message's input bytes is kept.
func (s *State) Receive(doc Document, m *Message, before []crdt.Hash) {
	g := doc.Graph
	heads := g.Heads()
	s.status &^= inFlight | resetSent
	s.receiveFlags(m.Flags)
	s.countRepeat(m)

	if len(m.Changes) > 0 && !s.options.ReadOnlyPeer {
		s.sharedHeads = share(s.creditHeads(heads, before), heads)
	}
	theirs := share(sorted(m.Heads), heads)
	known := knownOf(g, theirs)
	s.trimSent(g, known)
	if len(m.Changes) == 0 && slices.Equal(theirs, heads) && !s.options.Acknowledge {
		s.lastSentHeads = heads
	}
	switch {
	case len(known) < len(theirs):
		s.sharedHeads = share(s.addShared(known), heads)
	case len(theirs) == 0: // the peer lost everything
		s.sharedHeads, s.lastSentHeads, s.sent = nil, nil, nil
	default:
		s.sharedHeads = theirs
	}
	s.theirHeads = theirs
	s.theirNeed = m.Need
	s.theirHave = keepHave(m.Have, heads, theirs)
	s.set(received, true)
}

func (s *State) receiveFlags(f Flags) {
	if !f.V2() {
		return // what was said before still holds
	}
	s.set(theirV2, true)
	s.set(theirReset, f.KnowsResets())
	s.set(peerReadOnly, f.ReadOnly())
	if f.Reset() {
		s.sent = nil
	}
}

var fingerprintSeed = maphash.MakeSeed()

// countRepeat counts how often in a row the peer said the same.
func (s *State) countRepeat(m *Message) {
	var h maphash.Hash
	h.SetSeed(fingerprintSeed)
	var n [8]byte
	list := func(hs []crdt.Hash) {
		binary.LittleEndian.PutUint64(n[:], uint64(len(hs)))
		h.Write(n[:])
		for i := range hs {
			h.Write(hs[i][:])
		}
	}
	blob := func(b []byte) {
		binary.LittleEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	list(m.Heads)
	list(m.Need)
	for i := range m.Have {
		list(m.Have[i].LastSync)
		blob(m.Have[i].Bloom.Bytes())
	}
	for _, part := range m.Changes {
		blob(part)
	}
	sum := h.Sum64()
	switch {
	case sum != s.lastMessage || !s.is(received):
		s.repeats = 0
	case s.repeats < math.MaxUint8:
		s.repeats++
	}
	s.lastMessage = sum
}

// creditHeads returns the shared heads after a message with changes: heads that
// it brought, and old shared heads that are still heads. Sorted as heads are.
func (s *State) creditHeads(heads, before []crdt.Hash) (shared []crdt.Hash) {
	before = sorted(before)
	for _, h := range heads {
		if !contains(before, h) || contains(s.sharedHeads, h) {
			shared = append(shared, h)
		}
	}
	return shared
}

// addShared returns the shared heads with more known ones. Any subset of what
// is shared is right; a peer that keeps naming other changes can't make it grow.
func (s *State) addShared(known []crdt.Hash) []crdt.Hash {
	if len(s.sharedHeads)+len(known) > DefaultHeads {
		return known
	}
	return sorted(slices.Concat(s.sharedHeads, known))
}

// trimSent forgets changes that the peer has told to have: known ones of its
// heads and their ancestors.
func (s *State) trimSent(g Graph, known []crdt.Hash) {
	if len(s.sent) == 0 || len(known) == 0 {
		return
	}
	if slices.Equal(known, g.Heads()) {
		s.sent = nil
		return
	}
	s.sent = s.sent.minus(g.AncestorsAmong(known, s.sent.indexes()))
}

// keepHave copies what would else keep the message's bytes alive.
func keepHave(have []Have, heads, theirs []crdt.Hash) []Have {
	if len(have) == 0 {
		return nil
	}
	kept := make([]Have, len(have))
	for i, h := range have {
		kept[i].LastSync = share(share(h.LastSync, heads), theirs)
		if len(h.Bloom.raw) > 0 {
			kept[i].Bloom = h.Bloom
			kept[i].Bloom.raw = bytes.Clone(h.Bloom.raw)
		}
	}
	return kept
}

// share returns model when hs is equal to it, so that hs can be freed.
func share(hs, model []crdt.Hash) []crdt.Hash {
	if slices.Equal(hs, model) {
		return model
	}
	return hs
}

// knownOf returns the hashes that the graph holds, in order.
func knownOf(g Graph, hs []crdt.Hash) []crdt.Hash {
	unknown := func(h crdt.Hash) bool {
		_, ok := g.Index(h)
		return !ok
	}
	if !slices.ContainsFunc(hs, unknown) {
		return hs
	}
	return slices.DeleteFunc(slices.Clone(hs), unknown)
}

// contains searches a sorted list.
func contains(hs []crdt.Hash, h crdt.Hash) bool {
	_, ok := slices.BinarySearchFunc(hs, h, crdt.Hash.Compare)
	return ok
}
