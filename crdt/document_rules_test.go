package crdt

import (
	"slices"
	"testing"
)

// testDocument is a document to be written, right or wrong.
type testDocument struct {
	actors  []ActorID
	changes []changeRow
	rows    []docRow
}

func (d *testDocument) write(tb testing.TB, heads []Hash) Chunk {
	tb.Helper()
	w := newDocumentWriter()
	for i := range d.rows {
		w.addRow(&d.rows[i])
	}
	for i := range d.changes {
		w.addChange(&d.changes[i])
	}
	return documentChunk(tb, w.finish(d.actors, heads, nil))
}

// chunk returns the document with the heads that its changes give.
func (d *testDocument) chunk(tb testing.TB) Chunk {
	tb.Helper()
	var heads []Hash
	_, _ = d.write(tb, nil).ParseDocument(Limits{}, func(c DocumentChange) error {
		heads = slices.DeleteFunc(heads, func(h Hash) bool { return slices.Contains(c.Deps, h) })
		heads = append(heads, c.Hash)
		return nil
	})
	SortHashes(heads)
	return d.write(tb, heads)
}

const (
	actorA = uint32(0)
	actorB = uint32(1)
)

func setRow(key string, id lamport, succs ...lamport) docRow {
	return docRow{id: id, key: []byte(key), action: ActionSet, value: IntValue(int64(id.counter())), succs: succs}
}

func insertRow(obj, id, after lamport) docRow {
	return docRow{obj: obj, id: id, elem: after, isElem: true, insert: true, action: ActionSet, value: StringValue("x")}
}

// goodDocument has two actors, a map key with a value overwritten, and a text in
// which both have typed at the front; the second has deleted a character.
//
//	0 aa: 1 makeText t, 2 insert, 3 insert after 2, 4 set k
//	1 bb: 5 insert at the front, 6 set k, 7 delete 3
func goodDocument() testDocument {
	a := func(counter uint32) lamport { return newLamport(counter, actorA) }
	b := func(counter uint32) lamport { return newLamport(counter, actorB) }
	text := a(1)
	deleted := insertRow(text, a(3), a(2))
	deleted.succs = []lamport{b(7)}
	return testDocument{
		actors: []ActorID{"aa", "bb"},
		changes: []changeRow{
			{actor: actorA, seq: 1, maxOp: 4},
			{actor: actorB, seq: 1, maxOp: 7, time: -5, message: []byte("why"), extra: []byte{1}, deps: []uint32{0}},
		},
		rows: []docRow{
			setRow("k", a(4), b(6)), setRow("k", b(6)), {id: text, key: []byte("t"), action: ActionMakeText},
			insertRow(text, b(5), 0), insertRow(text, a(2), 0), deleted,
		},
	}
}

func TestDocumentRules(t *testing.T) {
	a := func(counter uint32) lamport { return newLamport(counter, actorA) }
	b := func(counter uint32) lamport { return newLamport(counter, actorB) }
	const k4, k6, text, z5, x2, y3 = 0, 1, 2, 3, 4, 5 // rows
	for _, c := range []struct {
		name   string
		want   Reason
		change func(d *testDocument)
	}{
		{"good", "", func(*testDocument) {}},
		{"spare actor", "", func(d *testDocument) { d.actors = append(d.actors, "cc") }},
		{"nothing", "", func(d *testDocument) { *d = testDocument{} }},
		{"change without ops", "", func(d *testDocument) {
			d.changes = append(d.changes, changeRow{actor: actorA, seq: 2, maxOp: 9, deps: []uint32{1, 0, 1}})
		}},
		{"gap between changes", "", func(d *testDocument) {
			d.rows = append([]docRow{setRow("j", a(100))}, d.rows...)
			d.changes = append(d.changes, changeRow{actor: actorA, seq: 2, maxOp: 100, deps: []uint32{1}})
		}},
		{"second value of an element", "", func(d *testDocument) {
			row := setRow("", b(7))
			row.obj, row.isElem, row.elem, row.value = a(1), true, a(3), StringValue("X")
			d.rows = append(d.rows, row)
		}},

		{"keys out of order", ReasonBadDocument, func(d *testDocument) { d.rows[k4].key, d.rows[k6].key = []byte("z"), []byte("z") }},
		{"ids of a key out of order", ReasonBadDocument, func(d *testDocument) {
			d.rows[k4], d.rows[k6] = d.rows[k6], d.rows[k4]
		}},
		{"objects out of order", ReasonBadDocument, func(d *testDocument) { d.rows = slices.Concat(d.rows[z5:], d.rows[:z5]) }},
		{"elements in ascending order", ReasonBadDocument, func(d *testDocument) {
			d.rows[z5], d.rows[x2], d.rows[y3] = d.rows[x2], d.rows[y3], d.rows[z5]
		}},
		{"element before the one that it follows", ReasonBadDocument, func(d *testDocument) {
			d.rows[x2], d.rows[y3] = d.rows[y3], d.rows[x2]
		}},
		{"element apart from the one that it follows", ReasonBadDocument, func(d *testDocument) {
			d.rows, d.changes[1].maxOp = append(d.rows, insertRow(a(1), b(8), b(5))), 8
		}},
		{"element after one that is nowhere", ReasonBadDocument, func(d *testDocument) { d.rows[y3].elem = a(1) }},
		{"element after a younger one", ReasonBadOp, func(d *testDocument) { d.rows[y3].elem = b(5) }},
		{"value apart from its element", ReasonBadDocument, func(d *testDocument) {
			row := setRow("", b(7))
			row.obj, row.isElem, row.elem = a(1), true, a(2)
			d.rows = append(d.rows, row)
		}},
		{"value of the list head", ReasonBadOp, func(d *testDocument) { d.rows[z5].insert = false }},
		{"values of an element out of order", ReasonBadDocument, func(d *testDocument) {
			row := setRow("", a(3))
			row.obj, row.isElem, row.elem = a(1), true, a(3)
			d.rows = append(d.rows, row)
		}},
		{"two values of an element out of order", ReasonBadDocument, func(d *testDocument) {
			for _, id := range []lamport{b(9), b(8)} {
				row := setRow("", id)
				row.obj, row.isElem, row.elem = a(1), true, a(3)
				d.rows = append(d.rows, row)
			}
			d.changes[1].maxOp = 9
		}},
		{"two rows of one id", ReasonBadDocument, func(d *testDocument) { d.rows[k6].id = a(2); d.rows[k4].id = a(1); d.rows[k4].succs = nil }},
		{"row of a deletion", ReasonBadDocument, func(d *testDocument) { d.rows[k6].action, d.rows[k6].value = ActionDelete, NullValue() }},

		{"insert flag on a map key", ReasonBadOp, func(d *testDocument) { d.rows[k4].insert = true }},
		{"element key in the root", ReasonBadOp, func(d *testDocument) {
			d.rows, d.changes = []docRow{insertRow(0, a(1), 0)}, []changeRow{{seq: 1, maxOp: 1}}
		}},
		{"string key in a text", ReasonBadOp, func(d *testDocument) { d.rows[x2].isElem, d.rows[x2].insert = false, false }},
		{"no such object", ReasonBadOp, func(d *testDocument) { d.rows[text].action = ActionSet }},
		{"text made by nothing", ReasonBadOp, func(d *testDocument) { d.rows[text].id = a(8) }},
		{"text made as a map", ReasonBadOp, func(d *testDocument) { d.rows[text].action = ActionMakeMap }},
		{"text made as a table", ReasonBadOp, func(d *testDocument) { d.rows[text].action = ActionMakeTable }},
		{"map made as a list", ReasonBadOp, func(d *testDocument) {
			d.rows[text].action = ActionMakeList
			d.rows = append(d.rows[:z5], docRow{obj: a(1), id: a(2), key: []byte("x"), action: ActionSet})
		}},
		{"object of a later change", ReasonBadOp, func(d *testDocument) { d.swapChanges() }},
		{"inc by a string", ReasonBadOp, func(d *testDocument) { d.rows[k6].action, d.rows[k6].value = ActionIncrement, StringValue("x") }},
		{"value of a make", ReasonNotCanonical, func(d *testDocument) { d.rows[text].value = IntValue(1) }},
		{"mark without insert flag", ReasonBadOp, func(d *testDocument) { d.rows[k6].action, d.rows[k6].value = ActionMark, NullValue() }},
		{"mark", "", func(d *testDocument) {
			begin, end := insertRow(a(1), b(8), a(3)), insertRow(a(1), b(9), b(8))
			begin.action, begin.hasMark, begin.mark, begin.value, begin.expand = ActionMark, true, []byte("bold"), BoolValue(true), true
			end.action, end.value = ActionMark, NullValue()
			d.rows, d.changes[1].maxOp = append(d.rows, begin, end), 9
		}},
		{"mark end before its begin", ReasonBadOp, func(d *testDocument) {
			begin, end := insertRow(a(1), b(8), a(3)), insertRow(a(1), b(9), a(3))
			begin.action, begin.hasMark, begin.value = ActionMark, true, BoolValue(true)
			end.action, end.value = ActionMark, NullValue()
			d.rows, d.changes[1].maxOp = append(d.rows, end, begin), 9
		}},
		{"increment in a text", ReasonBadOp, func(d *testDocument) {
			row := docRow{id: b(7), obj: a(1), isElem: true, elem: a(3), action: ActionIncrement, value: IntValue(1)}
			d.rows = append(d.rows, row)
		}},
		{"mark in a list", ReasonBadOp, func(d *testDocument) {
			begin := insertRow(a(1), b(8), a(3))
			begin.action, begin.hasMark = ActionMark, true
			d.rows[text].action = ActionMakeList
			d.rows, d.changes[1].maxOp = append(d.rows, begin), 8
		}},
		{"value of a mark", ReasonBadOp, func(d *testDocument) {
			begin, row := insertRow(a(1), b(8), a(3)), setRow("", b(9))
			begin.action, begin.hasMark = ActionMark, true
			row.obj, row.isElem, row.elem = a(1), true, b(8)
			d.rows, d.changes[1].maxOp = append(d.rows, begin, row), 9
		}},
		{"mark ended twice", ReasonBadOp, func(d *testDocument) {
			begin, end, again := insertRow(a(1), b(8), a(3)), insertRow(a(1), b(9), b(8)), insertRow(a(1), b(10), b(9))
			begin.action, begin.hasMark, begin.value = ActionMark, true, BoolValue(true)
			end.action, end.value, again.action, again.value = ActionMark, NullValue(), ActionMark, NullValue()
			d.rows, d.changes[1].maxOp = append(d.rows, begin, end, again), 10
		}},
		{"mark ended in another text", ReasonBadOp, func(d *testDocument) {
			begin, end := insertRow(a(1), b(9), a(3)), insertRow(b(8), b(10), 0)
			begin.action, begin.hasMark, begin.value = ActionMark, true, BoolValue(true)
			end.action, end.value = ActionMark, NullValue()
			d.rows = slices.Insert(d.rows, z5, docRow{id: b(8), key: []byte("u"), action: ActionMakeText})
			d.rows, d.changes[1].maxOp = append(d.rows, begin, end), 10
		}},
		{"mark end without a begin", ReasonBadOp, func(d *testDocument) {
			end := insertRow(a(1), b(8), a(3))
			end.action, end.value = ActionMark, NullValue()
			d.rows, d.changes[1].maxOp = append(d.rows, end), 8
		}},
		{"mark end after an op that is no begin", ReasonBadOp, func(d *testDocument) { d.rows[y3].action, d.rows[y3].value = ActionMark, NullValue() }},

		{"successor of no change", ReasonBadDocument, func(d *testDocument) { d.rows[y3].succs = []lamport{b(8)} }},
		{"successor of an actor without changes", ReasonBadDocument, func(d *testDocument) {
			d.actors = append(d.actors, "cc")
			d.rows[x2].succs = []lamport{newLamport(8, 2)}
		}},
		{"successor of two keys", ReasonBadPred, func(d *testDocument) { d.rows[text].succs = []lamport{b(7)} }},
		{"successor with a row of another key", ReasonBadPred, func(d *testDocument) { d.rows[text].succs = []lamport{b(6)} }},
		{"successor that isn't newer", ReasonBadPred, func(d *testDocument) { d.rows[k4].succs = []lamport{b(4)} }},
		{"successor as old as the row", ReasonBadPred, func(d *testDocument) {
			d.changes[0], d.changes[1].deps = changeRow{actor: actorA, seq: 1, maxOp: 4}, nil
			d.rows[k4].succs, d.rows[y3].succs = []lamport{b(4)}, []lamport{b(7)}
		}},
		{"element of a change that is no ancestor's", ReasonBadOp, func(d *testDocument) {
			d.rows[x2].elem, d.rows[x2].id, d.rows[z5].succs = b(5), a(8), nil
			d.rows[y3].elem = a(8)
		}},
		{"successors out of order", ReasonBadPred, func(d *testDocument) { d.rows[k4].succs = []lamport{b(6), a(6)} }},
		{"successor twice", ReasonBadPred, func(d *testDocument) { d.rows[k4].succs = []lamport{b(6), b(6)} }},
		{"insert with pred", ReasonBadPred, func(d *testDocument) { d.rows[x2].succs = []lamport{b(5)} }},

		{"seq skipped", ReasonBadDocument, func(d *testDocument) { d.changes[1].seq = 2 }},
		{"dependency on itself", ReasonBadDocument, func(d *testDocument) { d.changes[1].deps = []uint32{1} }},
		{"op missing", ReasonBadDocument, func(d *testDocument) { d.rows[z5].id = b(4) }},
		{"maxOp too low", ReasonBadDocument, func(d *testDocument) { d.changes[1].maxOp = 6 }},
		{"maxOp too high", ReasonBadDocument, func(d *testDocument) { d.changes[1].maxOp = 8 }},
		{"startOp of 2^32", ReasonLimit, func(d *testDocument) {
			d.changes = append(d.changes, changeRow{actor: actorA, seq: 2, maxOp: 1<<32 - 1, deps: []uint32{1}})
		}},
		{"time", ReasonLimit, func(d *testDocument) { d.changes[1].time = maxTime + 1 }},
		{"rows without changes", ReasonLimit, func(d *testDocument) { d.changes = nil }},
		{"actors not sorted", ReasonNotCanonical, func(d *testDocument) { slices.Reverse(d.actors) }},
		{"actor twice", ReasonNotCanonical, func(d *testDocument) { d.actors = []ActorID{"aa", "aa"} }},
		{"actor missing", ReasonBadOp, func(d *testDocument) { d.actors = d.actors[:1] }},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc := goodDocument()
			c.change(&doc)
			d, err := doc.chunk(t).ParseDocument(Limits{}, func(c DocumentChange) error {
				checkDocumentChange(t, c)
				return nil
			})
			if c.want != "" {
				wantDocumentReason(t, d, err, c.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := documentChunk(t, rewritten(t, d)).ParseDocument(Limits{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			checkColumns(t, got, d)
		})
	}
}

// swapChanges puts the changes in an order in which no dependency shows that
// the second makes what the first refers to.
func (d *testDocument) swapChanges() {
	d.changes[0], d.changes[1] = d.changes[1], d.changes[0]
	d.changes[0].deps = nil
}
