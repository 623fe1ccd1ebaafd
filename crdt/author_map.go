package crdt

import (
	"fmt"
	"unicode/utf8"
)

// Set writes a map key and returns the id of the op, which for a map, list or
// text is the new object's. A value that is there already, alone, isn't written
// again; the zero id is returned then. Objects are always made anew: use Update
// to edit what is there.
func (tx *Tx) Set(obj OpID, key string, value any) (OpID, error) {
	o, err := tx.mapObject(obj)
	if err != nil {
		return OpID{}, fmt.Errorf("set %q: %w", key, err)
	}
	before := len(tx.ops)
	made, err := tx.put(o, key, value)
	if err != nil {
		return OpID{}, fmt.Errorf("set %q: %w", key, err)
	}
	if len(tx.ops) == before {
		return OpID{}, tx.broken
	}
	if err := tx.fill(made...); err != nil {
		return OpID{}, fmt.Errorf("set %q: %w", key, err)
	}
	return tx.ops[before].ID, nil
}

// put writes the op for a map key, and returns the object to be filled if it
// makes one.
func (tx *Tx) put(o *txObject, key string, value any) ([]filling, error) {
	c, err := tx.contentOf(value)
	if err != nil {
		return nil, err
	}
	if !utf8.ValidString(key) {
		return nil, fmt.Errorf("key: %w", errNotUTF8)
	}
	return tx.putContent(o, key, c), nil
}

func (tx *Tx) putContent(o *txObject, key string, c content) []filling {
	now := tx.valuesAt(o, key)
	if unchanged(now, c) {
		return nil
	}
	id := tx.add(Op{Action: c.action, Obj: o.id, Key: MapKey(key), Value: c.value, Preds: ids(now)})
	o.setKey(key, []Item{{id, c.action.kind(), c.value}})
	return tx.made(id, c)
}

// Delete removes a map key; it does nothing if the key isn't there.
func (tx *Tx) Delete(obj OpID, key string) error {
	o, err := tx.mapObject(obj)
	if err != nil {
		return fmt.Errorf("delete %q: %w", key, err)
	}
	now := tx.valuesAt(o, key)
	if len(now) == 0 {
		return nil
	}
	tx.add(Op{Action: ActionDelete, Obj: o.id, Key: MapKey(key), Preds: ids(now)})
	o.setKey(key, nil)
	return tx.broken
}

// Increment adds to the counter at a map key; n may be negative. Counters in
// conflict grow together.
func (tx *Tx) Increment(obj OpID, key string, n int64) error {
	o, err := tx.mapObject(obj)
	if err != nil {
		return fmt.Errorf("increment %q: %w", key, err)
	}
	now := tx.valuesAt(o, key)
	grown, err := tx.increment(o, MapKey(key), now, n)
	if err != nil {
		return fmt.Errorf("increment %q: %w", key, err)
	}
	o.setKey(key, grown)
	return tx.broken
}

// increment writes the op and returns the values that are visible after it.
func (tx *Tx) increment(o *txObject, key Key, now []Item, n int64) ([]Item, error) {
	found := counters(now)
	if len(found) == 0 {
		return nil, fmt.Errorf("there is no counter")
	}
	tx.add(Op{Action: ActionIncrement, Obj: o.id, Key: key, Value: IntValue(n), Preds: ids(found)})
	grown := make([]Item, len(now))
	for i, c := range now {
		if c.isCounter() {
			c.Value = CounterValue(c.Value.Int() + n)
		}
		grown[i] = c
	}
	return grown, nil
}

// valuesAt returns the visible values of a map key.
func (tx *Tx) valuesAt(o *txObject, key string) []Item {
	if now, ok := o.keys[key]; ok || o.own {
		return now
	}
	if i, ok := tx.s.entryOf(o.index, []byte(key)); ok {
		return tx.s.shownItems(&tx.s.entries[i].cell)
	}
	return nil
}

func (o *txObject) setKey(key string, now []Item) {
	if o.keys == nil {
		o.keys = make(map[string][]Item)
	}
	o.keys[key] = now
}
