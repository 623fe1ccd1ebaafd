package main

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"

	"concord/crdt"
)

//go:embed testdata
var testdata embed.FS

// edit is one keystroke: at position At, Deleted characters go and Inserted comes.
type edit struct {
	At, Deleted int
	Inserted    string
}

// readEdits returns the recorded keystrokes with which somebody wrote a paper.
func readEdits() ([]edit, error) {
	b, err := testdata.ReadFile("testdata/edits.json")
	if err != nil {
		return nil, err
	}
	var rows [][]any
	if err := json.Unmarshal(b, &rows); err != nil {
		return nil, fmt.Errorf("read edits.json: %w", err)
	}
	edits := make([]edit, len(rows))
	for i, row := range rows {
		edits[i].At = int(row[0].(float64))
		edits[i].Deleted = int(row[1].(float64))
		for _, s := range row[2:] {
			edits[i].Inserted += s.(string)
		}
	}
	return edits, nil
}

// writeTrace writes one change for each edit, of a text or of a list that holds the characters' numbers.
func writeTrace(a *author, edits []edit, makeAction crdt.Action) error {
	seq := a.id(0, 0)
	if err := a.commit(0, []crdt.Op{create(makeAction, crdt.OpID{}, traceKey)}); err != nil {
		return err
	}
	var elems []crdt.OpID
	for _, e := range edits {
		var ops []crdt.Op
		for _, id := range elems[e.At : e.At+e.Deleted] {
			ops = append(ops, crdt.Op{Action: crdt.ActionDelete, Obj: seq, Key: crdt.ElemKey(id), Preds: []crdt.OpID{id}})
		}
		elems = slices.Delete(elems, e.At, e.At+e.Deleted)
		var after crdt.OpID
		if e.At > 0 {
			after = elems[e.At-1]
		}
		for i, c := range []rune(e.Inserted) {
			v := crdt.StringValue(string(c))
			if makeAction == crdt.ActionMakeList {
				v = crdt.IntValue(int64(c))
			}
			id := a.id(0, len(ops))
			ops = append(ops, crdt.Op{Action: crdt.ActionSet, Obj: seq, Key: crdt.ElemKey(after), Insert: true, Value: v})
			elems = slices.Insert(elems, e.At+i, id)
			after = id
		}
		if err := a.commit(0, ops); err != nil {
			return err
		}
	}
	return nil
}

// traceKey is where the edited text or list is.
const traceKey = "text"
