package crdt

import (
	"cmp"
	"errors"
	"fmt"
)

// Revert makes what a JSON Pointer names equal to what it is in another view of
// the same document, earlier or concurrent, with the least edits: what is there in
// both stays and is compared inside, what isn't there in that view is deleted, what
// is missing is made again with all its content, types and marks. "" is the whole
// document. Where values are in conflict, those that win are compared; what is
// equal is left alone. A counter that is there in both is incremented.
//
// The elements of a list or text that is there in both are told apart by their
// identity: what was deleted comes back where it was, also between others that the
// transaction brought back. That goes for indexes in the pointer, too: they are
// those of the other view; one that it doesn't have is an index of the present.
// Maps on the way may have been made anew.
//
// It is an error if the object that holds the place is gone; nothing has been
// written then, and the place of that object, or one around it, may be reverted
// instead.
func (tx *Tx) Revert(pointer string, to View) error {
	if to.s != tx.s {
		return fmt.Errorf("revert %q: the view is of another document", pointer)
	}
	r := reverter{tx: tx, to: to, written: tx.written()}
	if err := r.start(pointer); err != nil {
		return fmt.Errorf("revert %q: %w", pointer, err)
	}
	for len(r.open) > 0 {
		next := r.open[len(r.open)-1]
		r.open = r.open[:len(r.open)-1]
		if err := r.object(next); err != nil {
			return fmt.Errorf("revert %q: %w", pointer, tx.breakOff(err))
		}
	}
	return tx.broken
}

// reverter holds the objects that are still to be compared. Each is shown by the
// present document and by the other view.
type reverter struct {
	tx      *Tx
	to      View
	open    []OpID
	written map[uint32]bool // objects in which the transaction has written before, and those around them
	tokens  map[string]uint32
	content []byte // scratch
}

// written returns the objects of the op set in which the transaction has
// written, and those around them.
func (tx *Tx) written() map[uint32]bool {
	written := make(map[uint32]bool)
	for i := range tx.ops {
		l, _ := tx.s.actors.lamport(tx.ops[i].Obj)
		for o, ok := tx.s.object(l); ok && !written[o]; o = tx.s.objects[o].parent {
			written[o] = true
		}
	}
	return written
}

func (r *reverter) start(pointer string) error {
	if pointer == "" {
		r.open = append(r.open, Root)
		return nil
	}
	now, then, was := r.to.Root(), r.to.Root(), true
	for {
		token, rest, err := cutPointer(pointer)
		if err != nil {
			return err
		}
		was = was && now.Kind == then.Kind
		if rest == "" {
			return r.place(now, then, was, token)
		}
		next, err := r.child(now, then, was, token)
		if err != nil {
			return err
		}
		if was {
			then, was = r.to.child(then, token)
		}
		now, pointer = next, rest
	}
}

// child returns the present value of a place inside the object now, which was
// then, if it was there at all.
func (r *reverter) child(now, then Item, was bool, token string) (Item, error) {
	if index, ok := parseIndex(token); ok && was && now.ID == then.ID && now.Kind != KindMap {
		if e, ok := r.to.Element(then.ID, index); ok {
			for f := range r.tx.elements(now.ID) {
				if f.id == e.ID {
					item, _ := winner(f.shown)
					return item, nil
				}
			}
			return Item{}, fmt.Errorf("element %d of the %s is gone", index, now.Kind)
		}
	}
	item, ok := r.tx.child(now, token)
	if !ok {
		return Item{}, fmt.Errorf("the %s has no %q", now.Kind, token)
	}
	return item, nil
}

// elements yields the visible elements of a list or text, nothing for others.
func (tx *Tx) elements(obj OpID) func(yield func(spot) bool) {
	o, err := tx.sequence(obj)
	if err != nil {
		return func(func(spot) bool) {}
	}
	return o.list.from(0)
}

// place compares a single place of the object now, which was then.
func (r *reverter) place(now, then Item, was bool, token string) error {
	switch now.Kind {
	case KindMap:
		want, ok := found{}, false
		if was {
			want, ok = r.to.field(then.ID, token)
		}
		return r.key(now.ID, token, want, ok)
	case KindList, KindText:
		return r.elementPlace(now, then, was, token)
	}
	return fmt.Errorf("a %s has no places of its own", now.Kind)
}

func (r *reverter) elementPlace(now, then Item, was bool, token string) error {
	index, ok := parseIndex(token)
	if !ok {
		return fmt.Errorf("%q is no index", token)
	}
	if !was || now.ID != then.ID {
		return errors.New("the list that held it has been replaced")
	}
	e, ok := r.to.Element(then.ID, index)
	if !ok {
		if e, ok = r.tx.Element(now.ID, index); !ok {
			return fmt.Errorf("element %d: %w", index, ErrIndex)
		}
	}
	o, err := r.tx.sequence(now.ID)
	if err != nil {
		return err
	}
	return r.elements(o, &e.ID)
}

func (r *reverter) object(id OpID) error {
	o, err := r.tx.object(id)
	if err != nil {
		return err
	}
	if o.kind == ActionMakeList || o.kind == ActionMakeText {
		if o, err = r.tx.sequence(id); err != nil {
			return err
		}
		if err = r.elements(o, nil); err == nil && o.kind == ActionMakeText {
			err = r.tx.copyMarks(o, o.list.marks(), r.to)
		}
		return err
	}
	return r.fields(o)
}

// fields compares a map key by key.
func (r *reverter) fields(o *txObject) error {
	now, then := r.tx.Keys(o.id), r.to.appendEntries(nil, o.index)
	for len(now) > 0 || len(then) > 0 {
		order, key := -1, ""
		if len(now) > 0 {
			key = now[0]
		}
		if len(then) > 0 {
			was := string(r.to.s.keyOf(&r.to.s.entries[then[0].entry]))
			if order = cmp.Compare(key, was); len(now) == 0 || order > 0 {
				key, order = was, 1
			}
		}
		want := found{}
		if order >= 0 {
			want, _ = r.to.winner(&r.to.s.entries[then[0].entry].cell)
			then = then[1:]
		}
		if order <= 0 {
			now = now[1:]
		}
		if err := r.key(o.id, key, want, order >= 0); err != nil {
			return err
		}
	}
	return nil
}

// key compares a map key with the value that it had; was is false for none.
func (r *reverter) key(obj OpID, key string, want found, was bool) error {
	now, ok := r.tx.Field(obj, key)
	if !was {
		return r.tx.Delete(obj, key)
	}
	need := revertWrite
	if ok {
		need = r.need(now, want)
	}
	switch need {
	case revertInside:
		r.open = append(r.open, now.ID)
	case revertCount:
		return r.tx.Increment(obj, key, want.value.Int()-now.Value.Int())
	case revertWrite:
		o, err := r.tx.mapObject(obj)
		if err != nil {
			return err
		}
		return r.tx.fill(r.tx.putContent(o, key, r.to.contentOf(want))...)
	}
	return nil
}

// revertNeed is what makes a value what it was.
type revertNeed uint8

const (
	revertNothing revertNeed = iota
	revertInside             // compare the members of the object
	revertCount              // increment the counter
	revertWrite
)

func (r *reverter) need(now Item, want found) revertNeed {
	same := now.ID == r.to.s.actors.opID(want.id)
	switch {
	case want.action != ActionSet && same:
		return revertInside
	case want.action != ActionSet:
		if r.equal(now, want) {
			return revertNothing
		}
	case now.Kind == KindScalar && now.Value.Equal(want.value):
		return revertNothing
	case same && now.isCounter():
		return revertCount
	}
	return revertWrite
}

// equal reports whether an object has the content of another one. It may be
// false if the transaction wrote into it.
func (r *reverter) equal(now Item, want found) bool {
	if now.Kind != want.action.kind() {
		return false
	}
	b, ok := r.appendNow(r.content[:0], now)
	if !ok {
		return false
	}
	middle := len(b)
	r.content = r.to.appendContent(b, want)
	return string(r.content[:middle]) == string(r.content[middle:])
}

// appendNow appends the content of a present value, see View.appendContent. It
// is false for an object in which the transaction wrote, or that it made.
func (r *reverter) appendNow(b []byte, now Item) ([]byte, bool) {
	present := r.tx.s.View()
	if now.Kind == KindScalar {
		return present.appendContent(b, found{action: ActionSet, value: now.Value}), true
	}
	o, ok := present.object(now.ID)
	if !ok || r.written[o] {
		return b, false
	}
	return present.appendContent(b, found{id: r.tx.s.objects[o].id, action: r.tx.s.objects[o].kind}), true
}
