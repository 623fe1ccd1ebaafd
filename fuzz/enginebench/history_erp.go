package main

import (
	"fmt"
	"math/rand/v2"

	"concord/crdt"
)

const (
	erpLines  = 200
	erpActors = 4
)

// erpField is a field of the order, with the ops that are visible in it.
type erpField struct {
	obj     crdt.OpID
	key     string
	visible []crdt.OpID // ascending
}

// writeERP writes an order with lines in a map, whose fields four people fill in by single edits: runs of edits by one of
// them, and every hundredth change at the same time as the one before it, often in the same field.
func writeERP(a *author, changes int, r *rand.Rand) error {
	fields, err := startOrder(a)
	if err != nil {
		return err
	}
	actor := 0
	for a.count < changes {
		if r.IntN(20) == 0 {
			actor = r.IntN(erpActors)
		}
		f := &fields[r.IntN(len(fields))]
		op := f.edit(a, actor, r)
		if a.count%100 != 0 || a.count+2 > changes {
			err = a.commit(actor, []crdt.Op{op})
		} else {
			err = editTwice(a, fields, f, op, actor, r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// startOrder writes the first change: the whole order with empty fields.
func startOrder(a *author) ([]erpField, error) {
	var ops []crdt.Op
	var fields []erpField
	next := func() crdt.OpID { return a.id(0, len(ops)) }
	add := func(obj crdt.OpID, key string, v crdt.Value) {
		fields = append(fields, erpField{obj: obj, key: key, visible: []crdt.OpID{next()}})
		ops = append(ops, set(obj, key, v))
	}
	for _, key := range []string{"customer", "number", "status", "terms"} {
		add(crdt.OpID{}, key, crdt.StringValue(""))
	}
	lines := next()
	ops = append(ops, create(crdt.ActionMakeMap, crdt.OpID{}, "lines"))
	for i := range erpLines {
		line := next()
		ops = append(ops, create(crdt.ActionMakeMap, lines, fmt.Sprintf("L%04d", i)))
		for _, key := range []string{"price", "quantity"} {
			add(line, key, crdt.IntValue(0))
		}
		add(line, "article", crdt.StringValue(""))
		add(line, "delivered", crdt.BoolValue(false))
	}
	return fields, a.commit(0, ops)
}

// edit returns the op that writes to the field, and counts it as done.
func (f *erpField) edit(a *author, actor int, r *rand.Rand) crdt.Op {
	op := set(f.obj, f.key, f.value(r), f.visible...)
	f.visible = []crdt.OpID{a.id(actor, 0)}
	return op
}

func (f *erpField) value(r *rand.Rand) crdt.Value {
	switch f.key {
	case "price", "quantity":
		return crdt.IntValue(int64(r.IntN(100000)))
	case "delivered":
		return crdt.BoolValue(r.IntN(2) == 0)
	}
	return crdt.StringValue(fmt.Sprintf("%s %d", f.key, r.IntN(1000)))
}

// editTwice commits op, which writes to f, together with an edit by somebody else who hasn't seen it.
func editTwice(a *author, fields []erpField, f *erpField, op crdt.Op, actor int, r *rand.Rand) error {
	other := (actor + 1 + r.IntN(erpActors-1)) % erpActors
	g := &fields[r.IntN(len(fields))]
	if r.IntN(2) == 0 {
		g = f
	}
	var second crdt.Op
	if g == f {
		second = set(f.obj, f.key, f.value(r), op.Preds...)
		f.visible = append(f.visible, a.id(other, 0))
		if f.visible[0].Compare(f.visible[1]) > 0 {
			f.visible[0], f.visible[1] = f.visible[1], f.visible[0]
		}
	} else {
		second = g.edit(a, other, r)
	}
	return a.commitTwo(actor, []crdt.Op{op}, other, []crdt.Op{second})
}
