package main

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"concord/crdt"
)

// row is an element of the list: a map with two fields.
type row struct {
	obj               crdt.OpID // also the element
	quantity, comment crdt.OpID // ops that are visible in the fields
}

// writeRows writes a document with one long list of maps: rows are inserted anywhere (two changes in five), changed
// (half) and deleted (one in ten).
func writeRows(a *author, changes int, r *rand.Rand) error {
	list := a.id(0, 0)
	if err := a.commit(0, []crdt.Op{create(crdt.ActionMakeList, crdt.OpID{}, "rows")}); err != nil {
		return err
	}
	var rows []row
	for a.count < changes {
		var ops []crdt.Op
		switch n := r.IntN(10); {
		case n < 4 || len(rows) == 0:
			rows, ops = insertRow(a, list, rows, r.IntN(len(rows)+1), r)
		case n < 9:
			x := &rows[r.IntN(len(rows))]
			ops = []crdt.Op{set(x.obj, "quantity", crdt.IntValue(int64(r.IntN(1000))), x.quantity)}
			x.quantity = a.id(0, 0)
		default:
			i := r.IntN(len(rows))
			id := rows[i].obj
			ops = []crdt.Op{{Action: crdt.ActionDelete, Obj: list, Key: crdt.ElemKey(id), Preds: []crdt.OpID{id}}}
			rows = slices.Delete(rows, i, i+1)
		}
		if err := a.commit(0, ops); err != nil {
			return err
		}
	}
	return nil
}

func insertRow(a *author, list crdt.OpID, rows []row, at int, r *rand.Rand) ([]row, []crdt.Op) {
	var after crdt.OpID
	if at > 0 {
		after = rows[at-1].obj
	}
	x := row{obj: a.id(0, 0), quantity: a.id(0, 1), comment: a.id(0, 2)}
	ops := []crdt.Op{
		{Action: crdt.ActionMakeMap, Obj: list, Key: crdt.ElemKey(after), Insert: true},
		set(x.obj, "quantity", crdt.IntValue(int64(r.IntN(1000)))),
		set(x.obj, "comment", crdt.StringValue(fmt.Sprintf("comment %d", r.IntN(10000)))),
	}
	return slices.Insert(rows, at, x), ops
}
