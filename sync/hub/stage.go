package hub

import (
	"errors"
	"fmt"
	"time"

	"concord/crdt"
	"concord/store"
)

// run is a row of changes from one sender.
type run struct {
	sender  sender
	first   int
	changes []*crdt.Change
	heads   []crdt.Hash // after these changes
}

func (r run) write(key store.DocKey, received time.Time) store.Append {
	changes := make([]store.Change, len(r.changes))
	for i, c := range r.changes {
		changes[i] = store.Change{Hash: store.Hash(c.Hash), Bytes: c.Bytes()}
	}
	heads := make([]store.Hash, len(r.heads))
	for i, x := range r.heads {
		heads[i] = store.Hash(x)
	}
	return store.Append{
		Doc: key, First: uint64(r.first), Changes: changes, Heads: heads,
		By: store.Attribution{User: r.sender.user, Device: r.sender.device, Received: received},
	}
}

// staging is what one message, or one edit, stages.
type staging struct {
	document   *document
	received   time.Time
	guard      Guard   // nil = changes aren't judged
	now        *moment // nil = no change has come yet
	runs       []run
	violations []Violation
	answered   bool       // by a change of the guard's
	existed    bool       // the document had changes before
	imported   bool       // the changes are the history of a new document
	transition Transition // nil = nothing is derived, or no change has been staged yet
	last       func(Ended) ([]store.Record, error)
	records    []store.Record // to be committed with the changes
	audit      []store.AuditEntry
	tally      *tally // of an import
}

// begin returns a staging. The document's lock is held until its end.
func (d *document) begin(judged bool) *staging {
	s := &staging{document: d, received: d.hub.opts.Now(), existed: d.graph.Staged() > 0}
	if guards := d.hub.opts.Guards; guards != nil && judged {
		s.guard = guards.For(d.key.Company, d.kind)
	}
	return s
}

// stage passes changes of a peer through the gate into the graph: a change may
// release others that waited for it. After an error, which isn't any change's,
// the document has to be abandoned.
func (s *staging) stage(l *link, from sender, changes []*crdt.Change) error {
	for _, c := range changes {
		if err := s.stageOne(l, from, c); err != nil {
			return err
		}
	}
	return nil
}

func (s *staging) stageOne(l *link, from sender, change *crdt.Change) error {
	type candidate struct {
		change *crdt.Change
		from   sender
	}
	d := s.document
	queue := []candidate{{change, from}}
	for len(queue) > 0 {
		c := queue[0]
		queue = queue[1:]
		err := s.admit(c.from, c.change)
		var missing *crdt.MissingDepsError
		switch {
		case err == nil:
			if d.orphans != nil {
				for _, o := range d.orphans.Release(c.change.Hash) {
					queue = append(queue, candidate{o.Change, parseSender(o.Sender)})
				}
			}
		case errors.Is(err, errWatch):
			return err
		case errors.Is(err, crdt.ErrKnown):
			s.tally.know(1)
		case errors.As(err, &missing):
			s.tally.hold(c.change.Hash)
			d.hold(l, c.from, c.change, missing.Missing)
		default:
			d.author(l, c.from).refuse(d.key.Document, err)
			d.refused.add(c.change.Hash)
		}
	}
	return nil
}

// maxActor is how many bytes an actor may have: records of watchers name many
// ops, and the store takes none of more than store.MaxValue. Automerge draws 16.
const maxActor = 128

// errWatch is in the chain of the errors of a document's watcher.
var errWatch = errors.New("the change couldn't be watched")

// admit passes a change through the whole gate: its place among the changes, then
// what its ops refer to. Then its watchers are told. After an error nothing has
// changed, unless it is of a watcher.
func (s *staging) admit(from sender, c *crdt.Change) error {
	d := s.document
	h := c.Header()
	if err := d.graph.Check(h); err != nil {
		return err
	}
	if n := len(h.Actor); n > maxActor {
		return &crdt.RefusalError{Hash: h.Hash, Reason: crdt.ReasonLimit,
			Detail: fmt.Sprintf("the actor has %d bytes, at most %d are allowed", n, maxActor)}
	}
	if err := d.room(h.Hash); err != nil {
		return err
	}
	a := Applied{Key: d.key, Type: d.kind, Ref: d.ref, Change: c, Graph: d.graph, Content: d.ops, Received: s.received,
		User: from.user, Device: from.device}
	if s.now == nil {
		s.look()
	}
	before := s.beforeDiff(&a)
	if err := d.ops.Apply(c, a.Diff); err != nil {
		return err
	}
	index, err := d.graph.Append(h)
	if err != nil {
		panic(err) // Check has let it pass
	}
	s.now.pass(c, s.guard != nil)
	if n := len(s.runs); n == 0 || s.runs[n-1].sender != from {
		s.runs = append(s.runs, run{sender: from, first: index})
	}
	last := &s.runs[len(s.runs)-1]
	last.changes, last.heads = append(last.changes, c), s.now.heads
	if d.watcher == nil && s.guard == nil && s.transition == nil {
		return nil
	}
	a.Index, a.Current, a.Roles = index, len(s.now.heads) == 1, from.roleList()
	return s.tell(a, before)
}

// room refuses a change when the document can't take any.
func (d *document) room(h crdt.Hash) error {
	if d.unfit != nil {
		return &crdt.RefusalError{Hash: h, Reason: crdt.ReasonBadDocument,
			Detail: "the document holds a change that can't be applied, and takes no others"}
	}
	if size, most := d.ops.Size(), opBytes*d.hub.rows(); size > most {
		return &crdt.RefusalError{Hash: h, Reason: crdt.ReasonLimit,
			Detail: fmt.Sprintf("the document takes %d bytes of memory, it may grow to %d", size, most)}
	}
	return nil
}

// submit has all that was staged for a pending message committed, with the
// server's answer to it, in one write. After an error the document is abandoned.
func (s *staging) submit(in *message) error {
	d := s.document
	err := s.answer()
	if err == nil {
		err = s.derive()
	}
	if err == nil {
		s.note(in)
		if len(s.runs)+len(s.records)+len(s.audit) == 0 {
			in.durable = true
		} else {
			err = s.write(in)
		}
	}
	if err != nil {
		d.abandonLocked(err) // the graph may hold what will never be durable
		return err
	}
	d.settleLocked()
	d.account()
	return nil
}

// note tells a message what was staged for it.
func (s *staging) note(in *message) {
	in.upTo = s.document.graph.Staged()
	for _, run := range s.runs {
		in.chunks = append(in.chunks, run.changes...)
		if in.link != nil && run.sender != in.link.peer.sender() {
			for _, c := range run.changes {
				in.foreign = append(in.foreign, c.Hash)
			}
		}
	}
	if w := s.document.watcher; w != nil && len(s.runs) > 0 {
		s.records = append(s.records, w.Records()...)
	}
}

func (s *staging) write(in *message) (err error) {
	d := s.document
	done := func(err error) { d.committed(in, err) }
	d.appends++
	in.writing = true
	if len(s.runs) == 0 {
		err = d.hub.store.Put(d.hub.ctx, d.key.Company, s.records, s.audit, done)
	} else {
		writes := make([]store.Append, len(s.runs))
		for i, run := range s.runs {
			writes[i] = run.write(d.key, s.received)
		}
		writes[len(writes)-1].Records, writes[len(writes)-1].Audit = s.records, s.audit
		err = d.hub.store.AppendAll(d.hub.ctx, writes, done)
	}
	if err != nil {
		d.appends--
		in.writing = false
		return fmt.Errorf("write to document %s: %w", d.key.Document, err)
	}
	return nil
}

// author returns the peer that a change is from: that of the link by which it
// came, or one whose orphan is free only now.
func (d *document) author(l *link, from sender) *peer {
	if l.peer.sender() != from {
		if other := d.linkOf(from); other != nil {
			return other.peer
		}
	}
	return l.peer
}

// hold keeps a change until its dependencies arrive.
func (d *document) hold(l *link, from sender, c *crdt.Change, missing []crdt.Hash) {
	for _, h := range missing {
		if d.refused.has(h) {
			l.peer.refuse(d.key.Document, &crdt.RefusalError{Hash: c.Hash, Reason: ReasonRefusedDependency,
				Detail: "it depends on " + h.String() + ", which was refused"})
			break
		}
	}
	if d.orphans == nil {
		d.orphans = crdt.NewOrphans(d.hub.opts.Orphans)
	}
	if d.orphans.Has(c.Hash) || l.peer.ending() || !d.hub.orphanRoom(l.peer, len(c.Bytes())) {
		return
	}
	for _, e := range d.orphans.Add(c, from.String(), missing) {
		d.hub.stats.orphansEvicted.Add(1)
		d.askAgain(parseSender(e.Sender))
	}
	d.countHeld()
}

// askAgain makes a sender forget what it believes to have sent, after its
// orphans were dropped.
func (d *document) askAgain(from sender) {
	for _, l := range d.links {
		if l.peer.sender() == from {
			l.state.RequestReset()
		}
	}
}
