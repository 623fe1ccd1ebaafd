package conflict

import (
	"fmt"
	"slices"
	"sort"

	"concord/crdt"
	"concord/store"
)

// clash takes a write v that is concurrent to others at its place, which are
// ascending. The first of them is in the first episode that v becomes a part of;
// all episodes after that are concurrent to v as a whole.
func (c *run) clash(obj crdt.OpID, key crdt.Key, v crdt.Write, others []crdt.Write) error {
	at := c.places[placeOf(obj, key)]
	if at == nil {
		at = &conflicts{}
	}
	first := others[0].ID
	i := sort.Search(len(at.episodes), func(i int) bool { return at.episodes[i].first.Compare(first) > 0 })
	tops, err := c.lastTops(at, obj, key, others)
	if err != nil {
		return err
	}
	var e *entry
	if i > 0 && at.episodes[i-1].last.Compare(first) >= 0 {
		e = at.episodes[i-1]
		i--
		err = c.open(e)
	} else {
		e, at, err = c.begin(at, i, obj, key, v, first)
	}
	if err != nil {
		return err
	}
	if err := c.swallow(at, i, e, others); err != nil {
		return err
	}
	if err := c.compare(e, v, others); err != nil {
		return err
	}
	return c.extend(at, i, e, v, others, tops)
}

// join makes a write a part of the last episode of a place without a look at the
// writes there: when it adds no value to the record, and nothing before the
// episode is concurrent to it.
func (c *run) join(at *conflicts, obj crdt.OpID, key crdt.Key, v crdt.Write, r rivals) (bool, error) {
	if at == nil || len(at.episodes) == 0 {
		return false, nil
	}
	i := len(at.episodes) - 1
	e := at.episodes[i]
	if !e.next.IsZero() {
		return false, nil
	}
	if err := c.open(e); err != nil || r.differ && e.body.Values < MaxValues {
		return false, err
	}
	if first, err := c.firstIs(at, i, obj, key); !first || err != nil {
		return false, err
	}
	if r.differ {
		e.body.By = nil // it has seen no v
		e.body.Update = e.body.Update || r.update
	}
	if e.body.Tops != nil {
		tops, err := parseOps(e.body.Tops)
		if err != nil {
			return false, err
		}
		c.setTops(e, tops, v.ID)
	}
	return true, c.grow(at, i, e, v.ID, e.last)
}

// firstIs reports whether nothing before the i-th known episode of a place is
// concurrent to the change: what follows its root, follows all that is before it.
func (c *run) firstIs(at *conflicts, i int, obj crdt.OpID, key crdt.Key) (bool, error) {
	e := at.episodes[i]
	if e.first.Counter <= c.concurrent.lowest {
		return true, nil
	}
	if e.root == nil && len(e.body.Root) > 0 {
		var err error
		if e.root, err = c.rootOf(at, i, obj, key, e.first); err != nil {
			return false, err
		}
	}
	for _, op := range e.root {
		c.steps++
		if c.concurrent.has(op) {
			return false, nil
		}
	}
	return true, nil
}

// extend makes a write the last of an episode, the i-th that is known of its
// place, which is the last one.
func (c *run) extend(at *conflicts, i int, e *entry, v crdt.Write, others []crdt.Write, tops []crdt.OpID) error {
	c.setTops(e, tops, v.ID)
	e.next, e.body.Next = crdt.OpID{}, nil
	return c.grow(at, i, e, v.ID, others[len(others)-1].ID)
}

// grow notes the first and the last op of an episode that a write has become a
// part of, and what is shown of it.
func (c *run) grow(at *conflicts, i int, e *entry, v, last crdt.OpID) error {
	if v.Compare(e.first) < 0 {
		if i > 0 && at.episodes[i-1].next == e.first {
			if err := c.closeBy(at.episodes[i-1], v); err != nil {
				return err
			}
		}
		e.first = v
	}
	for _, op := range []crdt.OpID{v, last} {
		if op.Compare(e.last) > 0 {
			e.last = op
		}
	}
	e.body.Winner = c.shownAt(c.view, e.at)
	if path, ok := c.view.Path(e.at.obj, e.at.key); ok {
		e.body.Path = clip(path, maxPath)
	}
	c.touch(e)
	return nil
}

// maxPath is the longest path that is kept, in bytes.
const maxPath = 4 << 10

// maxTops is how many last writes of an episode are kept. They are found again
// when an episode with more is followed by another.
const maxTops = 64

// setTops replaces the last writes of the last episode, nil if they are many, by
// those after v: the ones that v doesn't follow, and v.
func (c *run) setTops(e *entry, before []crdt.OpID, v crdt.OpID) {
	if before == nil {
		e.body.Tops = nil
		return
	}
	tops := slices.DeleteFunc(before, func(op crdt.OpID) bool { return !c.concurrent.has(op) })
	if len(tops) >= maxTops {
		e.body.Tops = nil
		return
	}
	e.body.Tops = opTexts(append(tops, v))
}

// lastTops returns the last writes of the last episode of a place, nil if they
// are many. others are concurrent to a new write, and thus hold the last episode
// if that is one write alone.
func (c *run) lastTops(at *conflicts, obj crdt.OpID, key crdt.Key, others []crdt.Write) ([]crdt.OpID, error) {
	if n := len(at.episodes); n > 0 && at.episodes[n-1].next.IsZero() {
		e := at.episodes[n-1]
		if err := c.open(e); err != nil || e.body.Tops == nil {
			return nil, err
		}
		return parseOps(e.body.Tops)
	}
	return []crdt.OpID{others[len(others)-1].ID}, nil
}

// begin makes the i-th entry of a place for the episode of one write.
func (c *run) begin(at *conflicts, i int, obj crdt.OpID, key crdt.Key, v crdt.Write, first crdt.OpID) (*entry, *conflicts, error) {
	root, err := c.rootOf(at, i, obj, key, first)
	if err != nil {
		return nil, nil, err
	}
	e := &entry{
		state: state{at: placeOf(obj, key), first: first, last: first},
		id:    conflictID("conflict", c.key.Document, obj, key, root),
		body:  &body{values: map[crdt.OpID]struct{}{}},
	}
	c.describe(e, obj, key, root)
	below := first
	if v.ID.Compare(below) < 0 {
		below = v.ID
	}
	if len(root) > 0 {
		e.body.Before = c.shownAt(c.a.Content.Below(below), e.at)
	}
	c.size += bodySize
	at = c.add(e)
	copy(at.episodes[i+1:], at.episodes[i:]) // add put it at the end
	at.episodes[i] = e
	return e, at, nil
}

// maxRoot is how many ops of a root are kept.
const maxRoot = 1000

// describe fills in what stays as it is of a record.
func (c *run) describe(e *entry, obj crdt.OpID, key crdt.Key, root []crdt.OpID) {
	h := &e.body.head
	h.Document, h.ID, h.Type = c.key.Document, e.id, c.a.Type
	h.Object, h.Key = opText(obj), e.at.text()
	field, _ := c.view.FieldPath(obj, key)
	path, _ := c.view.Path(obj, key)
	h.Field, h.Path = clip(field, maxPath), clip(path, maxPath)
	h.Root = opTexts(root[:min(len(root), maxRoot)])
	h.Opened = c.a.Received
}

// shownAt returns what a view shows at a place, nil for nothing.
func (c *run) shownAt(v crdt.View, p place) *Shown {
	if !p.key.IsElem && p.key.Elem.IsZero() {
		if item, ok := v.Field(p.obj, p.key.Name); ok {
			return shownItem(c.view, item)
		}
		return nil
	}
	if items := v.Conflicts(p.obj, p.key); len(items) > 0 {
		return shownItem(c.view, items[len(items)-1])
	}
	return nil
}

// rootOf returns the last writes of the episode before that of first, ascending.
// i is how many known episodes are before.
func (c *run) rootOf(at *conflicts, i int, obj crdt.OpID, key crdt.Key, first crdt.OpID) ([]crdt.OpID, error) {
	before, ok := c.lastBefore(obj, key, first)
	if !ok {
		return nil, nil
	}
	if i == 0 || at.episodes[i-1].last != before {
		return []crdt.OpID{before}, nil
	}
	e := at.episodes[i-1]
	if err := c.open(e); err != nil {
		return nil, err
	}
	if e.body.Tops == nil {
		return c.topsOf(e, obj, key)
	}
	tops, err := parseOps(e.body.Tops)
	slices.SortFunc(tops, crdt.OpID.Compare)
	return tops, err
}

// lastBefore returns the last write at a place before an op, the change's own
// ones left out.
func (c *run) lastBefore(obj crdt.OpID, key crdt.Key, op crdt.OpID) (last crdt.OpID, ok bool) {
	for step := uint32(0); !ok; step = 2*step + 1 {
		from := op.Counter - min(step, op.Counter)
		for w := range c.a.Content.Writes(obj, key, from) {
			if w.ID.Compare(op) >= 0 {
				break
			}
			if !c.own(w.ID) {
				last, ok = w.ID, true
			}
		}
		if from == 0 {
			break
		}
	}
	return last, ok
}

// own reports whether an op is one of the change's.
func (c *run) own(op crdt.OpID) bool {
	return op.Actor == c.a.Change.Actor && op.Counter >= c.a.Change.StartOp
}

// topsOf finds the last writes of an episode, ascending.
func (c *run) topsOf(e *entry, obj crdt.OpID, key crdt.Key) ([]crdt.OpID, error) {
	last := map[int]crdt.OpID{} // of each change
	low, high := c.a.Index, 0
	for w := range c.a.Content.Writes(obj, key, e.first.Counter) {
		if w.ID.Compare(e.first) < 0 || w.ID.Compare(e.last) > 0 || c.own(w.ID) {
			continue
		}
		i, ok := c.a.Graph.ChangeOf(w.ID)
		if !ok {
			return nil, fmt.Errorf("op %s is of no change", w.ID)
		}
		last[i] = w.ID
		low, high = min(low, i), max(high, i)
	}
	followed := make([]bool, max(0, high-low+1))
	var tops []crdt.OpID
	for i := high; i >= low; i-- {
		op, ok := last[i]
		if ok && !followed[i-low] {
			tops = append(tops, op)
		}
		if ok || followed[i-low] {
			for _, d := range c.a.Graph.Dependencies(i) {
				if int(d) >= low {
					followed[int(d)-low] = true
				}
			}
		}
	}
	slices.SortFunc(tops, crdt.OpID.Compare)
	return tops, nil
}

// compare notes which of the others a write differs from.
func (c *run) compare(e *entry, v crdt.Write, others []crdt.Write) error {
	any := false
	for _, u := range others {
		if !differ(u, v) {
			continue
		}
		any = true
		if u.Action != crdt.ActionDelete && v.Action != crdt.ActionDelete {
			e.body.Update = true
		}
		if err := c.value(e, u, "", false); err != nil {
			return err
		}
	}
	if any {
		e.body.By = nil // it has seen no v
		return c.value(e, v, "", false)
	}
	return nil
}

// swallow makes all known episodes of a place after the i-th one parts of that.
// others holds all their writes.
func (c *run) swallow(at *conflicts, i int, e *entry, others []crdt.Write) error {
	rest := at.episodes[i+1:]
	if len(rest) == 0 {
		return nil
	}
	at.episodes = slices.Clone(at.episodes[:i+1])
	byOp := make(map[crdt.OpID]crdt.Write, len(others))
	for _, w := range others {
		byOp[w.ID] = w
	}
	for _, other := range rest {
		values, err := c.values(other)
		if err != nil {
			return err
		}
		for op := range values {
			w, ok := byOp[op]
			if !ok {
				return fmt.Errorf("conflict %s has a value that nothing wrote", other.id)
			}
			if err := c.value(e, w, "", false); err != nil {
				return err
			}
			c.rows = append(c.rows, store.Record{Table: store.TableConflictValues, Key: valueKey(c.key.Document, other.id, op)})
		}
		e.body.Update = e.body.Update || other.body.Update
		if len(values) > 0 && other.body.Opened.Before(e.body.Opened) {
			c.reopenedAt(e, other.body.Opened)
		}
		if err := c.drop(other, e); err != nil {
			return err
		}
	}
	return nil
}
