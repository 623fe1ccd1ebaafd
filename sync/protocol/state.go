package protocol

import (
	"slices"
	"unsafe"

	"concord/crdt"
)

// Advertise is which flags a State sends.
type Advertise uint8

const (
	// AdvertiseNone sends no flags field, as cores before 0.5.4 do: the peer
	// answers in V1 and never sends whole-document chunks. Read-only peers get
	// their flags all the same, because they are not to send anything.
	AdvertiseNone Advertise = iota
	// AdvertiseV2 says that V2 messages, whole-document chunks and resets are
	// understood.
	AdvertiseV2
)

// Options configures a State. The zero value is a peer with full access that
// isn't told of any capability.
type Options struct {
	Advertise Advertise

	// ReadOnlyPeer says that the peer's changes are not applied. It is told so
	// and gets ours. The caller must drop the changes of its messages.
	ReadOnlyPeer bool

	// Acknowledge tells the peer every new heads, even heads that the peer has
	// just named itself: for a peer that sends a change and then an empty
	// message, this is the only sign that its change has arrived. The official
	// core leaves it out.
	Acknowledge bool

	// ExactHeads takes a peer's heads, when all of them are known, for what the
	// peer has, and doesn't ask its filter: a filter seems to contain one in a
	// hundred changes that it doesn't, and each costs a round trip. Nor is a filter
	// sent to a peer that has nothing, or with a document. The official core asks
	// the filter and sends it all the same.
	ExactHeads bool

	// ChangeBytes bounds the change chunks of one message, which holds at least
	// one all the same; what is left goes into the next, after the peer's
	// answer. It doesn't bound Document.WholeDocument. Default 8 MiB.
	ChangeBytes int
}

const defaultChangeBytes = 8 << 20

func (o Options) withDefaults() Options {
	if o.ChangeBytes <= 0 {
		o.ChangeBytes = defaultChangeBytes
	}
	return o
}

// State is what this side knows of one peer's copy of one document. It is not
// safe for concurrent use. An idle state whose peer is up to date takes about
// 250 bytes: equal head lists share one slice with the graph.
type State struct {
	sharedHeads   []crdt.Hash // known to both sides, sorted
	lastSentHeads []crdt.Hash
	theirHeads    []crdt.Hash // sorted; valid when received
	theirNeed     []crdt.Hash // likewise
	theirHave     []Have      // likewise
	sent          spans       // changes sent and not yet seen in the peer's heads
	lastMessage   uint64      // fingerprint of the peer's last message
	options       Options
	repeats       uint8 // how often in a row the peer's message was the same
	status        status
}

// status holds the flags of a State.
type status uint16

const (
	received     status = 1 << iota // theirHeads, theirNeed and theirHave are from a message
	responded                       // a message was sent
	inFlight                        // a message was sent, and none received since
	theirV2                         // the peer takes V2 messages
	theirReset                      // the peer understands the reset flag
	peerReadOnly                    // the peer won't apply changes
	needsReset                      // the next message shall ask for a reset
	resetSent                       // the peer's last message was answered with an empty have
)

func (s *State) is(f status) bool { return s.status&f != 0 }

func (s *State) set(f status, on bool) {
	if on {
		s.status |= f
	} else {
		s.status &^= f
	}
}

// New returns the state towards a peer of which nothing is known.
func New(o Options) *State { return &State{options: o.withDefaults()} }

// Load reads what Save wrote, or automerge-js's encodeSyncState: 1B 0x43, uleb
// n, n × 32B hash. It is strict and takes at most DefaultHeads hashes. The error
// is a *DecodeError.
func Load(b []byte, o Options) (*State, error) {
	r := reader{b: b}
	if len(b) == 0 || b[0] != savedState {
		return nil, r.fail("saved state", "doesn't begin with 0x%02x", savedState)
	}
	r.at = 1
	s := New(o)
	var err error
	if s.sharedHeads, err = r.hashes("shared heads", DefaultHeads); err != nil {
		return nil, err
	}
	if r.rest() > 0 {
		return nil, r.fail("saved state", "%d bytes are left over", r.rest())
	}
	s.sharedHeads = sorted(s.sharedHeads)
	return s, nil
}

const savedState = 0x43

// Save returns what is worth keeping across connections: the shared heads.
func (s *State) Save() []byte {
	shared := s.sharedHeads
	if len(shared) > DefaultHeads {
		shared = shared[:DefaultHeads]
	}
	return appendHashes([]byte{savedState}, shared)
}

// Prune forgets shared heads that the document doesn't hold. Call it after Load:
// a document that was restored from a backup would else tell the peer that it
// has what it lost, and get the missing changes back one by one.
func (s *State) Prune(g Graph) {
	s.sharedHeads = slices.DeleteFunc(slices.Clone(s.sharedHeads), func(h crdt.Hash) bool {
		_, known := g.Index(h)
		return !known
	})
}

// Settle frees what an idle state needs no more: when the peer's heads are the
// document's heads, its filter is replaced by these heads, which say the same,
// and what it needed has come. Call it when Generate has nothing to say.
func (s *State) Settle(g Graph) {
	heads := g.Heads()
	if !s.is(received) || !slices.Equal(s.theirHeads, heads) {
		return
	}
	s.theirNeed = nil
	if len(s.theirHave) == 1 && s.theirHave[0].Bloom.Empty() && slices.Equal(s.theirHave[0].LastSync, heads) {
		return
	}
	if len(s.theirHave) > 0 {
		s.theirHave = []Have{{LastSync: heads}}
	}
}

// RequestReset makes the next message ask the peer to forget what it believes
// to have sent. Use it when changes of the peer were dropped unapplied.
func (s *State) RequestReset() { s.set(needsReset, true) }

// SharedHeads returns the heads known to both sides, sorted; not to be modified.
func (s *State) SharedHeads() []crdt.Hash { return s.sharedHeads }

// TheirHeads returns the heads of the peer's last message, sorted and not to be
// modified; ok is false before the first message.
func (s *State) TheirHeads() (heads []crdt.Hash, ok bool) { return s.theirHeads, s.is(received) }

// Size returns the bytes of memory that the state holds. Lists that it shares
// with the graph count too.
func (s *State) Size() int {
	size := int(unsafe.Sizeof(*s)) + cap(s.sent)*int(unsafe.Sizeof(span{})) + cap(s.theirHave)*int(unsafe.Sizeof(Have{}))
	lists := [][]crdt.Hash{s.sharedHeads, s.lastSentHeads, s.theirHeads, s.theirNeed}
	for _, h := range s.theirHave {
		size += cap(h.Bloom.raw)
		lists = append(lists, h.LastSync)
	}
	counted := make(map[*crdt.Hash]bool, len(lists))
	for _, l := range lists {
		if len(l) > 0 && !counted[&l[0]] {
			counted[&l[0]] = true
			size += cap(l) * len(crdt.Hash{})
		}
	}
	return size
}

// sorted returns hs in order and without repeats; hs itself if it is so already.
func sorted(hs []crdt.Hash) []crdt.Hash {
	for i := 1; i < len(hs); i++ {
		if hs[i-1].Compare(hs[i]) >= 0 {
			hs = slices.Clone(hs)
			crdt.SortHashes(hs)
			return slices.Compact(hs)
		}
	}
	return hs
}
