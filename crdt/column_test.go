package crdt

import (
	"bytes"
	"encoding/json"
	"testing"

	"pgregory.net/rapid"
)

// column is a column of any type as a list of rows; nil is a null.
type testColumn struct {
	Type   string
	Hex    string
	Values []json.RawMessage
	Why    string
}

// decodeColumn reads all rows of a column and writes them again.
func decodeColumn(tb testing.TB, typ string, b []byte) (rows []string, again []byte, err error) {
	tb.Helper()
	const maxRows = 10_000
	text := func(v any) string {
		s, err := json.Marshal(v)
		if err != nil {
			tb.Fatal(err)
		}
		return string(s)
	}
	switch typ {
	case "rle-uint", "rle-string":
		kind := kindUleb
		if typ == "rle-string" {
			kind = kindString
		}
		r, w := newRLEReader(b, kind), rleWriter{kind: kind}
		for (r.left > 0 || len(r.rest) > 0) && len(rows) < maxRows {
			ok, err := r.next()
			switch {
			case err != nil:
				return nil, nil, err
			case !ok:
				w.appendNull()
				rows = append(rows, "null")
			case kind == kindString:
				w.appendRow(0, r.str)
				rows = append(rows, text(string(r.str)))
			default:
				w.appendUint(r.num)
				rows = append(rows, text(r.num))
			}
		}
		return rows, w.finish(), r.end()
	case "delta":
		r, w := newDeltaReader(b), deltaWriter{}
		for (r.rle.left > 0 || len(r.rle.rest) > 0) && len(rows) < maxRows {
			v, ok, err := r.next()
			switch {
			case err != nil:
				return nil, nil, err
			case !ok:
				w.rle.appendNull()
				rows = append(rows, "null")
			default:
				w.append(v)
				rows = append(rows, text(v))
			}
		}
		return rows, w.rle.finish(), r.rle.end()
	case "boolean", "boolean-omit-all-false":
		r, w := newBoolReader(b), boolWriter{}
		for (r.left > 0 || len(r.rest) > 0) && len(rows) < maxRows {
			v, err := r.next()
			if err != nil {
				return nil, nil, err
			}
			w.append(v)
			rows = append(rows, text(v))
		}
		return rows, w.finish(), r.end()
	}
	tb.Fatalf("unknown column type %q", typ)
	return nil, nil, nil
}

func encodeColumn(tb testing.TB, c testColumn) []byte {
	tb.Helper()
	get := func(raw json.RawMessage, v any) {
		if err := json.Unmarshal(raw, v); err != nil {
			tb.Fatal(err)
		}
	}
	rle := rleWriter{}
	delta, booleans := deltaWriter{}, boolWriter{}
	for _, raw := range c.Values {
		var n int64
		var s string
		var b bool
		switch null := string(raw) == "null"; c.Type {
		case "rle-uint", "rle-string":
			if null {
				rle.appendNull()
			} else if c.Type == "rle-uint" {
				get(raw, &n)
				rle.appendUint(uint64(n))
			} else {
				get(raw, &s)
				rle.kind = kindString
				rle.appendRow(0, []byte(s))
			}
		case "delta":
			if null {
				delta.rle.appendNull()
			} else {
				get(raw, &n)
				delta.append(n)
			}
		default:
			get(raw, &b)
			booleans.append(b)
		}
	}
	switch c.Type {
	case "delta":
		return delta.rle.finish()
	case "boolean":
		return booleans.finish()
	case "boolean-omit-all-false":
		if !booleans.anyTrue {
			return nil
		}
		return booleans.finish()
	}
	return rle.finish()
}

func TestColumnVectors(t *testing.T) {
	var v struct{ Columns, NonCanonical []testColumn }
	readJSON(t, "codec/columns.json", &v)
	if len(v.Columns) < 60 || len(v.NonCanonical) < 8 {
		t.Fatalf("only %d and %d columns", len(v.Columns), len(v.NonCanonical))
	}
	for _, c := range v.Columns {
		b := unhex(t, c.Hex)
		if got := encodeColumn(t, c); !bytes.Equal(got, b) {
			t.Errorf("%s %s is written as %x", c.Type, c.Values, got)
		}
		if c.Type == "boolean-omit-all-false" && len(b) == 0 {
			continue // absent: how many rows it stands for is not in the column
		}
		rows, again, err := decodeColumn(t, c.Type, b)
		if err != nil {
			t.Errorf("%s %s: %v", c.Type, c.Hex, err)
			continue
		}
		if !bytes.Equal(again, b) {
			t.Errorf("%s %s is written as %x", c.Type, c.Hex, again)
		}
		if len(rows) != len(c.Values) && len(b) > 0 {
			t.Errorf("%s %s has %d rows, want %d", c.Type, c.Hex, len(rows), len(c.Values))
			continue
		}
		for i, row := range rows {
			var a, b any
			if json.Unmarshal([]byte(row), &a) != nil || json.Unmarshal(c.Values[i], &b) != nil || a != b {
				t.Errorf("%s %s row %d = %s, want %s", c.Type, c.Hex, i, row, c.Values[i])
			}
		}
	}
	for _, c := range v.NonCanonical {
		if rows, _, err := decodeColumn(t, c.Type, unhex(t, c.Hex)); err == nil {
			t.Errorf("%s %s (%s) = %v", c.Type, c.Hex, c.Why, rows)
		}
	}
}

// Rows survive writing and reading, and what is written is what reads back.
func TestColumnRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.SliceOfN(rapid.IntRange(-1, 3), 1, 40).Draw(t, "rows") // -1 = null
		var w rleWriter
		var d deltaWriter
		for _, v := range rows {
			if v < 0 {
				w.appendNull()
				d.rle.appendNull()
				continue
			}
			w.appendUint(uint64(v))
			d.append(int64(v))
		}
		r, dr := newRLEReader(w.finish(), kindUleb), newDeltaReader(d.rle.finish())
		for i, v := range rows {
			ok, err := r.next()
			if err != nil || ok != (v >= 0) || ok && r.num != uint64(v) {
				t.Fatalf("row %d = %d, %v, %v; want %d", i, r.num, ok, err, v)
			}
			n, ok, err := dr.next()
			if err != nil || ok != (v >= 0) || ok && n != int64(v) {
				t.Fatalf("delta row %d = %d, %v, %v; want %d", i, n, ok, err, v)
			}
		}
		if r.end() != nil || dr.rle.end() != nil {
			t.Fatal("rows left over")
		}
	})
}

// Whatever short byte string reads as a column is the canonical form of its rows.
func TestColumnHasOneForm(t *testing.T) {
	types := []string{"rle-uint", "rle-string", "delta", "boolean"}
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 3, 5, 0x61, 0x7d, 0x7e, 0x7f, 0x80}), 0, 12).Draw(t, "bytes")
		for _, typ := range types {
			_, again, err := decodeColumn(noFatal{}, typ, b)
			if err == nil && !bytes.Equal(again, b) {
				t.Fatalf("%s %x is written as %x", typ, b, again)
			}
		}
	})
}

// noFatal stands in for a test inside property checks, whose own type isn't a testing.TB.
type noFatal struct{ testing.TB }

func (noFatal) Helper() {}
