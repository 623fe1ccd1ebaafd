package protocol

import (
	"errors"
	"fmt"
	"slices"

	"concord/crdt"
)

// Encoded is a message ready to be sent. It may be shared between peers and is
// never modified.
type Encoded struct {
	Bytes    []byte
	Version  Version
	Changes  int  // changes in it, those of a document chunk included
	Document bool // it holds a document chunk
}

// maxRepeats is how often a peer may say the same without being told more than
// the same again.
const maxRepeats = 3

// Generate returns the next message for the peer; ok is false when there is
// nothing to say. The state counts it as sent: a message that can't be delivered
// ends the connection. cache may be nil. After an error, which comes from the
// document, the state is unchanged.
func (s *State) Generate(doc Document, cache *Cache) (out *Encoded, ok bool, err error) {
	heads := doc.Graph.Heads()
	told := s.is(responded) && slices.Equal(s.lastSentHeads, heads) && !s.is(needsReset)
	if told && s.is(inFlight) {
		return nil, false, nil
	}
	if s.mustAnswerWithReset(doc.Graph) {
		if s.is(resetSent) {
			return nil, false, nil
		}
		s.set(resetSent, true)
		m := Message{Version: V1, Heads: heads, Have: []Have{{}}, Flags: s.flags(false)}
		return &Encoded{Bytes: m.Append(nil), Version: V1}, true, nil
	}
	in := s.inputs(doc)
	e := cache.entry(doc.Graph, &in)
	if !e.selected {
		if e.plan, err = in.choose(doc); err != nil {
			return nil, false, fmt.Errorf("choose changes: %w", err)
		}
		e.selected = true
	}
	if told && e.plan.empty() {
		if s.options.ReadOnlyPeer || s.is(received) && slices.Equal(s.theirHeads, heads) || s.repeats >= maxRepeats {
			return nil, false, nil
		}
	}
	if e.out == nil {
		if e.out, e.sent, err = in.encode(doc, &e.plan); err != nil {
			return nil, false, err
		}
		e.plan = plan{count: e.plan.count}
		cache.encoded(e)
	}
	s.status |= responded | inFlight
	s.set(needsReset, false)
	s.lastSentHeads = heads
	s.sent = s.sent.union(e.sent)
	return e.out, true, nil
}

// mustAnswerWithReset reports whether the peer builds on something that this
// side doesn't know (any more). When the peer insists, unknown hashes are
// ignored instead.
func (s *State) mustAnswerWithReset(g Graph) bool {
	if !s.is(received) || len(s.theirHave) == 0 || s.repeats >= maxRepeats {
		return false
	}
	return slices.ContainsFunc(s.theirHave[0].LastSync, func(h crdt.Hash) bool {
		_, known := g.Index(h)
		return !known
	})
}

// flags returns the flags field to send, nil for none.
func (s *State) flags(reset bool) Flags {
	bits := byte(bitField | bitKnowsResets)
	if s.options.ReadOnlyPeer {
		bits |= bitReadOnly
	} else if s.options.Advertise == AdvertiseNone {
		return nil
	}
	if reset {
		bits |= bitReset
	}
	return Flags{legacyV2, bits}
}

// inputs is everything besides the graph that a message depends on.
type inputs struct {
	version     Version
	flags       Flags
	hideHeads   bool // say that there are no heads, the reset for peers that know no flag
	withhold    bool // send no have, so that the peer sends just what is needed
	exact       bool // all of the peer's heads are known: they and their ancestors are what it had
	send        bool // changes may be sent
	peerEmpty   bool // the peer has nothing
	changeBytes int
	shared      []crdt.Hash
	need        []crdt.Hash // what this side needs
	theirNeed   []crdt.Hash
	theirHave   []Have
	sent        spans
}

func (s *State) inputs(doc Document) inputs {
	in := inputs{
		version:     V1,
		changeBytes: s.options.ChangeBytes,
		shared:      s.sharedHeads,
		send:        s.is(received) && !s.is(peerReadOnly),
	}
	if s.is(theirV2) {
		in.version = V2
	}
	in.flags = s.flags(s.is(needsReset) && s.is(theirReset))
	in.hideHeads = s.is(needsReset) && !in.flags.Reset()
	if s.is(received) && !s.options.ReadOnlyPeer {
		in.need = missing(doc, s.theirHeads)
		in.withhold = slices.ContainsFunc(in.need, func(h crdt.Hash) bool { return !contains(s.theirHeads, h) })
	}
	in.exact = s.is(received) && s.options.ExactHeads && len(knownOf(doc.Graph, s.theirHeads)) == len(s.theirHeads)
	if in.send {
		in.peerEmpty = len(s.theirHeads) == 0
		in.theirNeed, in.theirHave, in.sent = s.theirNeed, s.theirHave, s.sent
		if in.exact && len(in.theirHave) > 0 {
			in.theirHave = []Have{{LastSync: s.theirHeads}}
		}
	}
	return in
}

// missing returns what has to come before the given heads can be known: walking
// back from them through orphans, what is neither known nor an orphan nor was
// refused. Sorted; at most as many as a message may hold.
func missing(doc Document, heads []crdt.Hash) (need []crdt.Hash) {
	var met map[crdt.Hash]bool // orphans and what they lead to
	for queue := slices.Clip(heads); len(queue) > 0 && len(need) < DefaultNeed; {
		h := queue[0]
		queue = queue[1:]
		if _, known := doc.Graph.Index(h); known || met[h] {
			continue
		}
		if met == nil {
			met = make(map[crdt.Hash]bool)
		}
		met[h] = true
		var deps []crdt.Hash
		if doc.OrphanDeps != nil {
			deps = doc.OrphanDeps(h)
		}
		if len(deps) == 0 {
			if doc.Refused == nil || !doc.Refused(h) {
				need = append(need, h)
			}
			continue
		}
		queue = append(queue, deps...)
	}
	crdt.SortHashes(need)
	return need
}

// encode writes the message and returns which changes it holds.
func (in *inputs) encode(doc Document, p *plan) (*Encoded, spans, error) {
	heads := doc.Graph.Heads()
	m := Message{Version: in.version, Heads: heads, Need: in.need, Flags: in.flags}
	if in.hideHeads {
		m.Heads = nil
	}
	if !in.withhold && !(in.exact && (in.peerEmpty || p.whole.Chunks != nil)) {
		own := doc.Graph.Since(in.shared)
		m.Have = []Have{{
			LastSync: in.shared,
			Bloom:    BuildBloom(len(own), func(i int) crdt.Hash { return doc.Graph.HashAt(own[i]) }),
		}}
	}
	out := &Encoded{Version: in.version}
	var sent spans
	if p.blank {
		var err error
		if p.whole, err = doc.WholeDocument(); err != nil {
			return nil, nil, fmt.Errorf("encode document: %w", err)
		}
	}
	if p.whole.Chunks != nil {
		m.Changes = [][]byte{p.whole.Chunks}
		out.Document, out.Changes = true, p.whole.Changes
		if n := p.whole.Changes; n > 0 {
			sent = spans{{0, uint32(n)}}
		}
	} else if len(p.changes) > 0 {
		parts, err := in.collect(doc, p.changes)
		if err != nil {
			return nil, nil, err
		}
		m.Changes = parts
		out.Changes = len(parts)
		sent = spansOf(p.changes[:len(parts)])
		if in.version == V2 {
			m.Changes = [][]byte{slices.Concat(parts...)}
		}
	}
	out.Bytes = m.Append(make([]byte, 0, m.size()))
	return out, sent, nil
}

// collect returns the chunks of the first changes, as many as one message takes.
func (in *inputs) collect(doc Document, changes []int) (parts [][]byte, err error) {
	if doc.Prepare != nil {
		if err := doc.Prepare(changes); err != nil {
			return nil, fmt.Errorf("read changes: %w", err)
		}
	}
	parts = make([][]byte, 0, len(changes))
	size := 0
	for _, i := range changes {
		chunk, err := doc.Change(i)
		if errors.Is(err, ErrLater) && len(parts) > 0 {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read change %s: %w", doc.Graph.HashAt(i), err)
		}
		if size += len(chunk); size > in.changeBytes && len(parts) > 0 {
			break
		}
		parts = append(parts, chunk)
	}
	return parts, nil
}

// size returns no less than the length of the encoded message.
func (m *Message) size() int {
	const number, hash = 5, len(crdt.Hash{})
	n := 1 + 5*number + hash*(len(m.Heads)+len(m.Need)) + len(m.Flags) + len(m.Trailer)
	for i := range m.Have {
		n += 2*number + hash*len(m.Have[i].LastSync) + len(m.Have[i].Bloom.raw)
	}
	for _, part := range m.Changes {
		n += number + len(part)
	}
	return n
}
