package crdt

import (
	"bytes"
	"testing"
)

// rewritten writes a document again from what is read of it.
func rewritten(tb testing.TB, d *DocumentChunk) []byte {
	tb.Helper()
	w := newDocumentWriter()
	var headRows []uint32
	row := func(row *docRow) error {
		w.addRow(row)
		return nil
	}
	rows := make(map[Hash]uint32)
	visit := func(c DocumentChange) error {
		rows[c.Hash] = uint32(c.Row)
		return nil
	}
	if err := d.rebuild(row, visit); err != nil {
		tb.Fatal(err)
	}
	var r changeReader
	r.init(d)
	for range d.NumChanges {
		if err := r.next(); err != nil {
			tb.Fatal(err)
		}
		w.addChange(&r.row)
	}
	for _, h := range d.Heads {
		headRows = append(headRows, rows[h])
	}
	return w.finish(d.Actors, d.Heads, headRows)
}

// checkColumns checks that two documents have the same columns, inflated.
// Absent messages may be written as empty ones, and times of 0 left out.
func checkColumns(tb testing.TB, got, want *DocumentChunk) {
	tb.Helper()
	for i := range want.changes {
		col := changeColumn(i)
		if col == colChangeMessage || col == colChangeTime && len(want.changes[col]) == 0 {
			continue
		}
		if !bytes.Equal(got.changes[col], want.changes[col]) {
			tb.Errorf("%s column of the changes is\n%x, want\n%x", col, got.changes[col], want.changes[col])
		}
	}
	for _, col := range rowColumns {
		if col == colInsert && len(want.rows[col]) == 0 {
			continue
		}
		if !bytes.Equal(got.rows[col], want.rows[col]) {
			tb.Errorf("%s column is\n%x, want\n%x", col, got.rows[col], want.rows[col])
		}
	}
}

func TestDocumentWrite(t *testing.T) {
	for name, b := range documentFiles(t) {
		t.Run(name, func(t *testing.T) {
			want, err := documentChunk(t, b).ParseDocument(Limits{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			again := rewritten(t, want)
			got, err := documentChunk(t, again).ParseDocument(Limits{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			checkColumns(t, got, want)
			if bytes.Equal(got.changes[colChangeMessage], want.changes[colChangeMessage]) {
				return
			}
			if name != "messages-and-times.automerge" {
				t.Error("messages differ")
			}
		})
	}
}
