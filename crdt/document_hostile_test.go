package crdt

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

// sealedDocument builds a document chunk from columns as they are, with a valid
// checksum. Columns of deflate are stored deflated already.
func sealedDocument(actors []ActorID, heads []Hash, changes changeData, rows rowData, deflate ...opColumn) []byte {
	data := appendUleb(nil, uint64(len(actors)))
	for _, a := range actors {
		data = appendText(data, string(a))
	}
	data = appendUleb(data, uint64(len(heads)))
	for _, h := range heads {
		data = append(data, h[:]...)
	}
	var block []byte
	data, block = appendRawColumns(data, block, changes[:], func(i int) uint32 { return changeColumn(i).spec() })
	var stored [len(rowColumns)][]byte
	for i, col := range rowColumns {
		stored[i] = rows[col]
	}
	data, block = appendRawColumns(data, block, stored[:], func(i int) uint32 {
		spec := rowColumns[i].spec()
		for _, col := range deflate {
			if col == rowColumns[i] {
				spec |= deflateBit
			}
		}
		return spec
	})
	return sealedData(append(data, block...))
}

// sealedData wraps data into a document chunk with the right checksum.
func sealedData(data []byte) []byte {
	raw := append(appendChunkHeader(nil, [4]byte{}, ChunkDocument, len(data)), data...)
	hash := sha256.Sum256(raw[hashedFrom:])
	copy(raw[4:hashedFrom], hash[:])
	return raw
}

func appendRawColumns(data, block []byte, columns [][]byte, spec func(i int) uint32) (newData, newBlock []byte) {
	count := 0
	for _, c := range columns {
		if len(c) > 0 {
			count++
		}
	}
	data = appendUleb(data, uint64(count))
	for i, c := range columns {
		if len(c) > 0 {
			data = appendUleb(appendUleb(data, uint64(spec(i))), uint64(len(c)))
			block = append(block, c...)
		}
	}
	return data, block
}

// oneChange and oneRow are the columns of a document that sets one key; with
// wrong heads, it isn't accepted.
func oneChange(replace map[changeColumn][]byte) changeData {
	c := changeData{
		colChangeActor: run(-1, 0), colChangeSeq: run(-1, 1), colChangeMaxOp: run(-1, 1), colChangeTime: run(-1, 0),
		colChangeDepCount: run(-1, 0), colChangeExtraMeta: run(-1, 7),
	}
	for col, b := range replace {
		c[col] = b
	}
	return c
}

func oneRow(replace map[opColumn][]byte) rowData {
	r := rowData{
		colKeyString: run(-1, 1, 'k'), colIDActor: run(-1, 0), colIDCounter: run(-1, 1), colInsert: {1},
		colAction: run(-1, 1), colValueMeta: run(-1, 0), colSuccCount: run(-1, 0),
	}
	for col, b := range replace {
		r[col] = b
	}
	return r
}

// Few bytes that claim much cost little, and are refused.
func TestDocumentBombs(t *testing.T) {
	const huge = 1 << 40
	actor := []ActorID{author}
	changes := func(col changeColumn, b []byte) []byte {
		return sealedDocument(actor, nil, oneChange(map[changeColumn][]byte{col: b}), oneRow(nil))
	}
	rows := func(col opColumn, b []byte) []byte {
		return sealedDocument(actor, nil, oneChange(nil), oneRow(map[opColumn][]byte{col: b}))
	}
	bombs := map[string][]byte{
		"changes":         changes(colChangeActor, run(huge, 0)),
		"null changes":    changes(colChangeActor, append(nulls(huge), run(-1, 0)...)),
		"dependencies":    changes(colChangeDepCount, append(run(-1), appendUleb(nil, huge)...)),
		"extra length":    changes(colChangeExtraMeta, append(run(-1), appendUleb(nil, math.MaxUint64&^15|7)...)),
		"messages":        changes(colChangeMessage, run(huge, 1, 'm')),
		"rows":            rows(colIDActor, run(huge, 0)),
		"most rows":       rows(colIDActor, run(math.MaxInt64, 0)),
		"rows of limit":   rows(colIDActor, run(DefaultRows, 0)),
		"literal rows":    rows(colIDActor, run(math.MinInt64, 0)),
		"counters":        rows(colIDCounter, run(huge, 1)),
		"keys":            rows(colKeyString, run(huge, 1, 'k')),
		"inserts":         rows(colInsert, appendUleb(nil, huge)),
		"values":          rows(colValueMeta, append(run(-1), appendUleb(nil, math.MaxUint64)...)),
		"succ count":      rows(colSuccCount, append(run(-1), appendUleb(nil, huge)...)),
		"sum of succs":    rows(colSuccCount, append(run(math.MaxInt64), appendUleb(nil, math.MaxUint64)...)),
		"succs of limit":  rows(colSuccCount, append(run(-1), appendUleb(nil, 2*DefaultRows)...)),
		"actors":          sealedData(appendUleb(nil, huge)),
		"heads":           sealedData(append([]byte{0}, appendUleb(nil, huge)...)),
		"columns":         sealedData(append([]byte{0, 0}, appendUleb(nil, huge)...)),
		"column length":   sealedData(append([]byte{0, 0, 1, 1}, appendUleb(nil, math.MaxUint64)...)),
		"column lengths":  sealedData(append(append([]byte{0, 0, 2, 1}, appendUleb(nil, 1<<29)...), append([]byte{3}, appendUleb(nil, 1<<29)...)...)),
		"deflated column": sealedDocument(actor, nil, oneChange(nil), oneRow(map[opColumn][]byte{colValue: deflated(t, make([]byte, DefaultChunkBytes+1))}), colValue),
	}
	var spare []ActorID
	for i := range 1 << 17 {
		spare = append(spare, ActorID([]byte{byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	bombs["spare actors"] = sealedDocument(spare, nil, oneChange(nil), oneRow(nil))
	for name, b := range bombs {
		t.Run(name, func(t *testing.T) {
			var d *DocumentChunk
			var err error
			spent := allocated(func() { d, err = parseDocument(b, Limits{}, nil) })
			if d != nil || err == nil {
				t.Fatal("accepted")
			}
			if most := uint64(1 << 20); spent > most {
				t.Errorf("%d bytes allocated for %v", spent, err)
			}
		})
	}
}

// No column may hold more rows than there are.
func TestDocumentLongColumns(t *testing.T) {
	actor := []ActorID{author}
	want := func(name fmt.Stringer, b []byte) {
		t.Helper()
		d, err := parseDocument(b, Limits{}, nil)
		var refusal *RefusalError
		if d != nil || !errors.As(err, &refusal) || !strings.Contains(refusal.Detail, name.String()+" column") {
			t.Errorf("%s column: %v", name, err)
		}
	}
	for col, b := range map[opColumn][]byte{
		colObjActor: append(nulls(1), run(-1, 0)...), colObjCounter: append(nulls(1), run(-1, 1)...),
		colKeyActor: append(nulls(1), run(-1, 0)...), colKeyCounter: append(nulls(1), run(-1, 1)...), colKeyString: run(2, 1, 'k'),
		colIDCounter: run(2, 1), colInsert: {2}, colAction: run(2, 1), colValueMeta: run(2, 0), colValue: {1},
		colSuccCount: run(2, 0), colSuccActor: run(2, 0), colSuccCounter: run(2, 1),
		colExpand: {1, 1}, colMarkName: append(nulls(1), run(-1, 1, 'm')...),
	} {
		want(col, sealedDocument(actor, nil, oneChange(nil), oneRow(map[opColumn][]byte{col: b})))
	}
	for col, b := range map[changeColumn][]byte{
		colChangeSeq: run(2, 1), colChangeMaxOp: run(2, 1), colChangeTime: run(2, 0), colChangeMessage: run(2, 1, 'm'),
		colChangeDepCount: run(2, 0), colChangeDeps: run(2, 0), colChangeExtraMeta: run(2, 7), colChangeExtra: {1},
	} {
		want(col, sealedDocument(actor, nil, oneChange(map[changeColumn][]byte{col: b}), oneRow(nil)))
	}
}

// Memory follows what limits allow, not the size of the input: this is the most
// that a document of any size may cost.
func TestDocumentMemory(t *testing.T) {
	const rows = 200_000
	lim := Limits{Rows: rows, Ops: rows}
	for name, b := range map[string][]byte{
		"one change of many ops": sealedDocument([]ActorID{author}, nil,
			oneChange(map[changeColumn][]byte{colChangeMaxOp: append(run(-1), appendSleb(nil, rows)...)}),
			oneRow(map[opColumn][]byte{
				colKeyString: run(rows, 1, 'k'), colIDActor: run(rows, 0), colIDCounter: run(rows, 1), colInsert: appendUleb(nil, rows),
				colAction: run(rows, 1), colValueMeta: run(rows, 0), colSuccCount: run(rows, 0),
			})),
		"many changes of one op": sealedDocument([]ActorID{author}, nil,
			changeData{
				colChangeActor: run(rows, 0), colChangeSeq: run(rows, 1), colChangeMaxOp: run(rows, 1), colChangeTime: run(rows, 0),
				colChangeDepCount: run(rows, 0), colChangeExtraMeta: run(rows, 7),
			},
			oneRow(map[opColumn][]byte{
				colKeyString: run(rows, 1, 'k'), colIDActor: run(rows, 0), colIDCounter: run(rows, 1), colInsert: appendUleb(nil, rows),
				colAction: run(rows, 1), colValueMeta: run(rows, 0), colSuccCount: run(rows, 0),
			})),
		"one change of many deletions": sealedDocument([]ActorID{author}, nil,
			oneChange(map[changeColumn][]byte{colChangeMaxOp: append(run(-1), appendSleb(nil, rows)...)}),
			oneRow(map[opColumn][]byte{
				colSuccCount: append(run(-1), appendUleb(nil, rows-1)...), colSuccActor: run(rows-1, 0), colSuccCounter: append(run(-1, 2), run(rows-2, 1)...),
			})),
	} {
		t.Run(name, func(t *testing.T) {
			changes := 0
			var err error
			spent := allocated(func() {
				_, err = parseDocument(b, lim, func(DocumentChange) error {
					changes++
					return nil
				})
			})
			if changes == 0 {
				t.Fatal(err)
			}
			wantDocumentReason(t, nil, err, ReasonBadDocument) // its heads are missing
			if most := uint64(rows * 200); spent > most {
				t.Errorf("%d bytes of %d allocated in %d changes", spent, most, changes)
			}
		})
	}
}

// Elements may stand any depth below one another.
func TestDocumentDeepPath(t *testing.T) {
	const n = 300_000
	w := newDocumentWriter()
	text := newLamport(1, 0)
	w.addRow(&docRow{id: text, key: []byte("t"), action: ActionMakeText})
	first := insertRow(text, newLamport(n+2, 0), 0)
	w.addRow(&first)
	last := lamport(0)
	for i := range n {
		row := insertRow(text, newLamport(uint32(i)+2, 0), last)
		w.addRow(&row)
		last = row.id
	}
	w.addChange(&changeRow{seq: 1, maxOp: n + 2})
	_, err := documentChunk(t, w.finish([]ActorID{author}, nil, nil)).ParseDocument(Limits{Ops: 2 * n}, nil)
	wantDocumentReason(t, nil, err, ReasonBadDocument)
	if want := fmt.Sprintf("refuse: %s: the changes don't give the stored heads", ReasonBadDocument); err.Error() != want {
		t.Fatalf("%v, want %s", err, want)
	}
}
