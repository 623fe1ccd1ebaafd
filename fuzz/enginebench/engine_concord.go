package main

import (
	"fmt"

	"concord/crdt"
)

// concord is the engine of this module.
type concord struct{}

type concordDocument struct{ d *crdt.Doc }

func (concord) load(b []byte) (document, error) {
	d, err := crdt.Load(b, crdt.Limits{Rows: 2 * largeText})
	if err != nil {
		return nil, err
	}
	return concordDocument{d}, nil
}

func (concord) start(list bool) (document, error) {
	d := crdt.New()
	d.SetActor(testActor(0))
	var empty any = crdt.Text("")
	if list {
		empty = []any{}
	}
	_, err := d.Edit(crdt.EditOptions{}, func(tx *crdt.Tx) error {
		_, err := tx.Set(crdt.OpID{}, traceKey, empty)
		return err
	})
	return concordDocument{d}, err
}

func (c concordDocument) apply(chunk []byte) error {
	change, err := crdt.ParseChange(chunk, crdt.Limits{})
	if err != nil {
		return err
	}
	return c.d.Apply(change)
}

func (c concordDocument) applyAll(chunks [][]byte) error {
	changes := make([]*crdt.Change, len(chunks))
	for i, chunk := range chunks {
		var err error
		if changes[i], err = crdt.ParseChange(chunk, crdt.Limits{}); err != nil {
			return err
		}
	}
	return c.d.Apply(changes...)
}

func (c concordDocument) save() ([]byte, error) { return c.d.Save(), nil }

func (c concordDocument) heads() []string { return hexHashes(c.d.Heads()) }

func (c concordDocument) value() (any, error) { return plainItem(c.d.View(), c.d.View().Root()), nil }

func (c concordDocument) valueAt(heads []string) (any, error) {
	at := make([]crdt.Hash, len(heads))
	for i, h := range heads {
		var err error
		if at[i], err = crdt.ParseHash(h); err != nil {
			return nil, err
		}
	}
	v, err := c.d.At(at)
	if err != nil {
		return nil, err
	}
	return plainItem(v, v.Root()), nil
}

func (c concordDocument) splice(e edit, list bool) error {
	at, ok := c.d.View().Get(traceKey)
	if !ok {
		return fmt.Errorf("there is nothing at %s", traceKey)
	}
	_, err := c.d.Edit(crdt.EditOptions{}, func(tx *crdt.Tx) error {
		if !list {
			return tx.SpliceText(at.ID, e.At, e.Deleted, e.Inserted)
		}
		var values []any
		for _, r := range e.Inserted {
			values = append(values, int64(r))
		}
		return tx.Splice(at.ID, e.At, e.Deleted, values...)
	})
	return err
}

// plainItem returns an item in maps, slices and scalars of Go.
func plainItem(v crdt.View, item crdt.Item) any {
	switch item.Kind {
	case crdt.KindMap, crdt.KindTable:
		out := make(map[string]any)
		for key, x := range v.Fields(item.ID) {
			out[key] = plainItem(v, x)
		}
		return out
	case crdt.KindList:
		out := []any{}
		for e := range v.Elements(item.ID, 0) {
			out = append(out, plainItem(v, e.Item))
		}
		return out
	case crdt.KindText:
		return v.Text(item.ID)
	}
	return plainScalar(item.Value)
}

func plainScalar(v crdt.Value) any {
	switch v.Code() {
	case crdt.ValueNull:
		return nil
	case crdt.ValueFalse, crdt.ValueTrue:
		return v.Bool()
	case crdt.ValueInt, crdt.ValueCounter, crdt.ValueTimestamp:
		return v.Int()
	case crdt.ValueUint:
		return v.Uint()
	case crdt.ValueFloat64:
		return v.Float64()
	case crdt.ValueString:
		return v.Text()
	}
	return v.Bytes()
}
