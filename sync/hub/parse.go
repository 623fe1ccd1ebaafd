package hub

import (
	"context"
	"errors"
	"slices"

	"concord/crdt"
)

// maxGrowth is how much bigger than its frame a message may be in memory without
// counting for more, and freeGrowth how much any message may add to an op set.
const (
	maxGrowth  = 4
	freeGrowth = 256 << 10
)

// reading is the parsing of a message's changes.
type reading struct {
	in       *message
	changes  []*crdt.Change
	refused  []crdt.Hash
	inflated int    // bytes of changes, those that were refused included
	ops      int    // of changes
	known    int    // changes in a document that its sender needn't have sent
	document bool   // it holds a document
	grows    bool   // holds a token, see parse
	block    []byte // where the changes of documents are kept
}

// parse reads the changes of a message. What can't be accepted is refused
// without harm to the rest; after a chunk whose end can't be found the rest of
// its part is lost.
//
// Compressed changes, which may grow a thousandfold, are parsed in one message
// at a time. So are documents, apart from them: reading one may take seconds, and
// the edits of others are often compressed. If changes have grown by more than maxGrowth, by
// their bytes or by their ops, of which a byte can hold thousands, the message
// counts with their full size until it is done.
func (in *message) parse(ctx context.Context) (reading, error) {
	h := in.link.peer.hub
	in.link.peer.reported.Store(0)
	r := reading{in: in}
	if token := r.token(); token != nil {
		select {
		case token <- struct{}{}:
		case <-ctx.Done():
			return reading{}, ctx.Err()
		}
		defer func() { <-token }()
		r.grows = true
	}
	r.parts()
	size, free := 0, maxGrowth*len(in.frame.Data)
	if r.grows && r.inflated > free {
		size += r.inflated
	}
	if content := opBytes * r.ops; content > max(free, freeGrowth) {
		size += content
	}
	if size == 0 {
		return r, nil
	}
	grown := int64(min(size, h.opts.MaxInflated))
	if err := h.inflated.Acquire(ctx, grown); err != nil {
		return reading{}, err
	}
	in.grown = grown
	return r, nil
}

// token returns what has to be held while the message is parsed, nil when there
// are plain changes only.
func (r *reading) token() (token chan struct{}) {
	h := r.in.link.peer.hub
	for _, rest := range r.in.sync.Changes {
		for len(rest) > 0 {
			chunk, next, err := crdt.NextChunk(rest)
			if err != nil {
				break
			}
			rest = next
			switch chunk.Type {
			case crdt.ChunkDocument:
				return h.whole
			case crdt.ChunkCompressed:
				token = h.inflate
			}
		}
	}
	return token
}

func (r *reading) parts() {
	for _, rest := range r.in.sync.Changes {
		for len(rest) > 0 {
			chunk, next, err := crdt.NextChunk(rest)
			if err != nil {
				r.refuse(err)
				break
			}
			rest = next
			if chunk.Type == crdt.ChunkDocument {
				err = r.wholeDocument(chunk)
			} else {
				err = r.change(chunk)
			}
			if err != nil {
				return
			}
		}
	}
}

var (
	errInflated  = errors.New("the message holds too many bytes once inflated")
	errOps       = errors.New("the message holds too many operations")
	errDocuments = errors.New("the message holds more than one document")
)

// refuse tells the sender of a change or document that can't be taken.
func (r *reading) refuse(err error) {
	if h := r.in.link.peer.refuse(r.in.link.document.key.Document, err); h != (crdt.Hash{}) {
		r.refused = append(r.refused, h)
	}
}

// grow counts what reading a change has taken.
func (r *reading) grow(h crdt.Hash, size, ops int) error {
	r.inflated += size
	r.ops += ops
	switch hub := r.in.link.peer.hub; {
	case r.inflated > hub.opts.MaxInflated:
		return r.tooMuch(h, errInflated)
	case r.ops > hub.rows():
		return r.tooMuch(h, errOps)
	}
	return nil
}

// tooMuch refuses a change, and with it the rest of the message.
func (r *reading) tooMuch(h crdt.Hash, err error) error {
	r.refuse(&crdt.RefusalError{Hash: h, Reason: crdt.ReasonLimit, Detail: err.Error()})
	return err
}

func (r *reading) change(chunk crdt.Chunk) error {
	c, err := chunk.ParseChange(r.in.link.peer.hub.opts.Changes)
	if refusal := new(crdt.RefusalError); errors.As(err, &refusal) {
		r.refuse(err)
		return r.grow(refusal.Hash, refusal.Cost, 0)
	}
	if err := r.grow(c.Hash, len(c.Bytes()), c.NumOps); err != nil {
		return err
	}
	r.changes = append(r.changes, c)
	return nil
}

// wholeDocument takes those changes of a document that aren't known already.
// When all heads of its sender are known, none of them is new. A message has one
// document at most, and nothing counts after one that is refused: reading one
// may cost as much as a message may. A big one has to be proven before anything
// of it is kept.
func (r *reading) wholeDocument(chunk crdt.Chunk) error {
	if r.document {
		return r.tooMuch(crdt.Hash{}, errDocuments)
	}
	r.document = true
	if r.in.link.document.knowsAll(r.in.sync.Heads) {
		return nil
	}
	before := *r
	err := r.readDocument(chunk, smallDocument, r.take)
	if errors.Is(err, errBig) {
		*r = before
		if err = r.readDocument(chunk, r.in.link.peer.hub.opts.MaxInflated, func(*crdt.DocumentChange) error { return nil }); err == nil {
			*r = before
			err = r.readDocument(chunk, r.in.link.peer.hub.opts.MaxInflated, r.take)
		}
	}
	if err == nil {
		return nil
	}
	clear(r.changes[len(before.changes):])
	r.changes = before.changes // the document has proven nothing
	if !errors.Is(err, errInflated) && !errors.Is(err, errOps) {
		r.refuse(err)
	}
	return err
}

const (
	// smallDocument is how big a document's changes may be to be kept before they are proven.
	smallDocument = 1 << 20
	// keptChange is what a change takes in memory besides its bytes.
	keptChange = 256
)

var errBig = errors.New("the document is big")

// readDocument calls take for the unknown changes of a document, up to a total
// size. After an error what it took is void.
func (r *reading) readDocument(chunk crdt.Chunk, most int, take func(*crdt.DocumentChange) error) error {
	h := r.in.link.peer.hub
	limits := h.opts.Changes
	limits.ChunkBytes = h.opts.MaxInflated
	size, known := 0, 0
	_, err := chunk.ParseDocument(limits, func(c crdt.DocumentChange) error {
		if r.in.link.document.knows(c.Hash) {
			known++
			return nil
		}
		if most := h.changeBytes(); len(c.Raw) > most {
			return &crdt.RefusalError{Hash: c.Hash, Reason: crdt.ReasonLimit, Detail: "a change is bigger than a message may be"}
		}
		if err := r.grow(c.Hash, len(c.Raw)+keptChange, c.NumOps); err != nil {
			return err
		}
		if size += len(c.Raw) + keptChange; size > most {
			return errBig
		}
		return take(&c)
	})
	if err == nil {
		r.known = known
	}
	return err
}

func (r *reading) take(c *crdt.DocumentChange) error {
	change, err := c.Keep(r.keep(c.Raw))
	if err == nil {
		r.changes = append(r.changes, change)
	}
	return err
}

// rows is how many operations a document, and all changes of a message, may have.
func (h *Hub) rows() int {
	if h.opts.Changes.Rows > 0 {
		return h.opts.Changes.Rows
	}
	return crdt.DefaultRows
}

// changeBytes is how big a change may be.
func (h *Hub) changeBytes() int {
	if h.opts.Changes.ChunkBytes > 0 {
		return h.opts.Changes.ChunkBytes
	}
	return crdt.DefaultChunkBytes
}

const blockBytes = 64 << 10

// keep returns a copy of b. Copies share blocks.
func (r *reading) keep(b []byte) []byte {
	if len(b) > cap(r.block)-len(r.block) {
		r.block = make([]byte, 0, max(blockBytes, len(b)))
	}
	at := len(r.block)
	r.block = append(r.block, b...)
	return r.block[at:len(r.block):len(r.block)]
}

// knows reports whether a change is published.
func (d *document) knows(h crdt.Hash) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.graph != nil && d.graph.Has(h)
}

func (d *document) knowsAll(heads []crdt.Hash) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.graph != nil && len(heads) > 0 && !slices.ContainsFunc(heads, func(h crdt.Hash) bool { return !d.graph.Has(h) })
}
