package conflict

import (
	"errors"
	"fmt"
	"slices"

	"concord/crdt"
	"concord/store"
	"concord/sync/hub"
)

// Watch begins to watch a document whose op set has been brought into memory.
func (l *Ledger) Watch(key store.DocKey, src hub.Source) (hub.Watcher, error) {
	w := &watcher{
		ledger: l, key: key, src: src, places: map[place]*conflicts{}, byID: map[ID]*entry{}, lost: map[crdt.OpID]*entry{},
		writers: map[place]*writers{},
	}
	err := l.store.Scan(key.Company, store.TableConflicts, store.Range{Prefix: key.Document[:]}, w.load)
	if err != nil {
		return nil, fmt.Errorf("read conflicts of document %s: %w", key.Document, err)
	}
	for _, at := range w.places {
		slices.SortFunc(at.episodes, func(a, b *entry) int { return a.first.Compare(b.first) })
		slices.SortFunc(at.lost, byNext)
	}
	return w, nil
}

// watcher keeps the records of one document. The hub serialises its calls.
//
// Of the episodes of a place, it knows those with several writes, with a record
// or without. A change that comes in can only add a write after all episodes, or
// one that is concurrent to the last ones: then these become one.
type watcher struct {
	ledger *Ledger
	key    store.DocKey
	src    hub.Source

	places  map[place]*conflicts
	byID    map[ID]*entry
	lost    map[crdt.OpID]*entry // by the object
	writers map[place]*writers   // of places with many writes

	branches branches
	told     told
	dirty    []*entry
	rows     []store.Record // to be committed, before the dirty records
	ref      string         // of the document
	size     int            // of all but told
	scratch  []crdt.Write
	steps    int // looks at writes and records, which tests bound
}

// conflicts are the entries of one place.
type conflicts struct {
	episodes []*entry // ascending
	lost     []*entry // of objects that were removed from it, in the order of byNext
}

// entry is a record, or an episode without two writes that differ.
type entry struct {
	state
	id    ID
	body  *body // nil = as it is in the store
	dirty bool
	gone  bool // swallowed

	root   []crdt.OpID // of an episode, once it was needed
	unseen crdt.OpID   // a value that the last change that was compared doesn't follow
	stored int         // bytes of the record, as counted in watcher.size
}

// body is what of an entry is needed to change it.
type body struct {
	head
	values map[crdt.OpID]struct{} // nil = as in the store

	told  outcome // what was told of it
	fresh []Value // not in Sides, and not told yet; at most what an event tells
	by    string  // who brought the change that it has noticed last
}

// load takes a record from the store.
func (w *watcher) load(key, value []byte) error {
	_, x := splitKey(key)
	s, _, err := splitRecord(value)
	if err != nil {
		return fmt.Errorf("conflict %s: %w: %w", x, store.ErrCorrupt, err)
	}
	if !s.has(flagOther) {
		w.add(&entry{state: s, id: x})
	}
	return nil
}

// add makes an entry known.
func (w *watcher) add(e *entry) *conflicts {
	const perEntry = 400
	w.size += perEntry + len(e.at.key.Name)
	at := w.places[e.at]
	if at == nil {
		at = &conflicts{}
		w.places[e.at] = at
	}
	w.byID[e.id] = e
	if e.has(flagLost) {
		at.lost = append(at.lost, e)
		w.lost[e.made] = e
	} else {
		at.episodes = append(at.episodes, e)
	}
	return at
}

// Applied takes notice of a change.
func (w *watcher) Applied(a hub.Applied) error {
	if err := w.told.add(&a); err != nil {
		return err
	}
	w.ref = a.Ref
	c := run{watcher: w, a: &a, view: a.Content.View(), concurrent: w.branches.of(&a)}
	var err error
	switch {
	case !c.concurrent.empty():
		err = c.examine()
	case len(w.places)+len(w.writers) > 0:
		err = c.follow()
	}
	return errors.Join(err, c.decide())
}

// run is the look at one change.
type run struct {
	*watcher
	a          *hub.Applied
	view       crdt.View
	concurrent *concurrency
	edits      editing
}

// follow looks for records that a change closes that is concurrent to nothing.
func (c *run) follow() error {
	for op := range c.a.Change.Ops() {
		if op.Insert || op.Action == crdt.ActionMark {
			continue
		}
		p, v := placeOf(op.Obj, op.Key), write(&op)
		if t := c.writers[p]; t != nil {
			t.add(v.ID, classOf(v))
		}
		if at := c.places[p]; at != nil {
			if err := c.after(at, v); err != nil {
				return err
			}
		}
	}
	return nil
}

func write(op *crdt.Op) crdt.Write {
	return crdt.Write{ID: op.ID, Action: op.Action, Value: op.Value}
}

// examine compares a change with those that are concurrent to it.
func (c *run) examine() error {
	obj, kind := crdt.Root, crdt.KindMap
	for op := range c.a.Change.Ops() {
		if op.Obj != obj {
			obj = op.Obj
			kind, _ = c.a.Content.KindOf(obj)
		}
		c.edit(&op, kind)
		if kind == crdt.KindText {
			continue
		}
		c.removes(&op)
		if op.Insert {
			continue // nobody else knows the element
		}
		if err := c.write(&op); err != nil {
			return err
		}
	}
	return c.lostEdits()
}

// write compares an op with the concurrent writes at its place.
func (c *run) write(op *crdt.Op) error {
	p, v := placeOf(op.Obj, op.Key), write(op)
	at := c.places[p]
	if at != nil {
		if err := c.closeLost(at, v.ID); err != nil {
			return err
		}
	}
	var others []crdt.Write
	looked := 0
	if c.writers[p] == nil {
		others, looked = c.others(op, c.concurrent.lowest)
	}
	if looked >= c.ledger.many || c.writers[p] != nil {
		t, x := c.writersAt(p, op), classOf(v)
		r := c.rivals(t, x)
		if r.any {
			if joined, err := c.join(at, op.Obj, op.Key, v, r); joined || err != nil {
				t.add(v.ID, x)
				return err
			}
			others, _ = c.others(op, c.lowest(t))
		}
		t.add(v.ID, x)
	}
	switch {
	case len(others) > 0:
		return c.clash(op.Obj, op.Key, v, others)
	case at != nil:
		return c.supersede(at, v.ID)
	}
	return nil
}

// after takes a write that comes after everything at its place.
func (c *run) after(at *conflicts, w crdt.Write) error {
	return errors.Join(c.closeLost(at, w.ID), c.supersede(at, w.ID))
}

// supersede closes the last episode of a place if the write is the first after it.
func (c *run) supersede(at *conflicts, op crdt.OpID) error {
	if len(at.episodes) == 0 {
		return nil
	}
	e := at.episodes[len(at.episodes)-1]
	if !e.next.IsZero() {
		return nil
	}
	return c.closeBy(e, op)
}

// closeBy notes an op of the change as the first one after an entry.
func (c *run) closeBy(e *entry, op crdt.OpID) error {
	if err := c.open(e); err != nil {
		return err
	}
	r := c.resolution()
	r.Op = opText(op)
	e.next, e.body.Next = op, &r
	c.touch(e)
	return nil
}

// touch marks an entry as one to be stored.
func (c *run) touch(e *entry) {
	e.body.Updated, e.body.by = c.a.Received, c.a.User
	if !e.dirty {
		e.dirty = true
		c.dirty = append(c.dirty, e)
	}
}

// open reads what is needed to change an entry.
func (w *watcher) open(e *entry) error {
	if e.body != nil {
		return nil
	}
	key := recordKey(w.key.Document, e.id)
	value, ok, err := w.ledger.store.Get(w.key.Company, store.TableConflicts, key)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("conflict %s is missing: %w", e.id, store.ErrCorrupt)
	}
	_, h, err := decodeRecord(key, value)
	if err != nil {
		return fmt.Errorf("conflict %s: %w: %w", e.id, store.ErrCorrupt, err)
	}
	e.body = &body{head: h}
	if e.has(flagReal) {
		e.body.told = outcomeOf(&h.Record)
	}
	w.size += bodySize + len(value)
	e.stored = len(value)
	return nil
}

const (
	bodySize  = 1000
	valueSize = 64
)

// values returns the ops that are values of an entry.
func (w *watcher) values(e *entry) (map[crdt.OpID]struct{}, error) {
	if err := w.open(e); err != nil {
		return nil, err
	}
	if e.body.values != nil {
		return e.body.values, nil
	}
	values := make(map[crdt.OpID]struct{})
	err := w.ledger.sides(w.key.Company, &e.body.head, func(v Value) error {
		op, err := parseOp(v.Op)
		values[op] = struct{}{}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read values of conflict %s: %w", e.id, err)
	}
	e.body.values = values
	w.size += valueSize * len(values)
	return values, nil
}

// Records returns what is to be committed with the changes told since the last
// call.
func (w *watcher) Records() []store.Record {
	records := w.rows
	for _, e := range w.dirty {
		e.dirty = false
		if e.gone {
			continue
		}
		w.ledger.settle(e)
		e.revision++
		value := encodeRecord(&e.state, &e.body.head)
		w.size += len(value) - e.stored
		e.stored = len(value)
		records = append(records, store.Record{Table: store.TableConflicts, Key: recordKey(w.key.Document, e.id), Value: value})
		records = append(records, w.tell(e)...)
	}
	w.rows, w.dirty = nil, nil
	return records
}

// Size returns the bytes of memory that the watcher holds, about.
func (w *watcher) Size() int { return w.size + w.told.size() + w.branches.size() + cap(w.scratch)*64 }
