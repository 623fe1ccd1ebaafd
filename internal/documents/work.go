package documents

import (
	"encoding/json"
	"strconv"

	"concord/crdt"
)

// work is how much a patch may still look at. Patches can repeat themselves: a
// small one could otherwise keep a document busy for as long as it likes.
type work int

const (
	maxWork  work = 1 << 20 // values
	workText      = 16      // characters of a text, or bytes of a string, that count as one
)

func (w *work) spend(n int) error {
	if *w -= work(n); *w < 0 {
		return refuse(ErrTooLarge, "the patch copies or tests too much; write it in several steps")
	}
	return nil
}

// update makes what a path names equal to a value, see crdt.Tx.Update.
func (w *work) update(tx *crdt.Tx, path pointer, value any) error {
	cost := 1 + len(path)
	if item, err := path.find(tx); err == nil && item.Kind != crdt.KindScalar {
		cost += tx.Len(item.ID)
	}
	if err := w.spend(cost); err != nil {
		return err
	}
	return tx.Update(path.String(), value)
}

// equal reports whether what a transaction sees is equal to a JSON value, as
// RFC 6902 section 4.6 compares them.
func (w *work) equal(tx *crdt.Tx, item crdt.Item, want any) (bool, error) {
	if err := w.spend(1); err != nil {
		return false, err
	}
	switch item.Kind {
	case crdt.KindScalar:
		return scalarEqual(item.Value, want), nil
	case crdt.KindText:
		s, ok := want.(string)
		if !ok {
			return false, nil
		}
		return tx.Text(item.ID) == s, w.spend(tx.Len(item.ID) / workText)
	case crdt.KindList:
		return w.equalList(tx, item.ID, want)
	}
	fields, ok := want.(map[string]any)
	if !ok {
		return false, nil
	}
	keys := tx.Keys(item.ID)
	if len(keys) != len(fields) {
		return false, w.spend(len(keys))
	}
	for _, key := range keys {
		value, ok := fields[key]
		if !ok {
			return false, nil
		}
		now, _ := tx.Field(item.ID, key)
		if same, err := w.equal(tx, now, value); err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

func (w *work) equalList(tx *crdt.Tx, list crdt.OpID, want any) (bool, error) {
	values, ok := want.([]any)
	if !ok || tx.Len(list) != len(values) {
		return false, nil
	}
	for i, value := range values {
		e, _ := tx.Element(list, i)
		if same, err := w.equal(tx, e.Item, value); err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

func scalarEqual(v crdt.Value, want any) bool {
	b := v.AppendJSON(nil)
	switch want := want.(type) {
	case nil:
		return string(b) == "null"
	case bool:
		return string(b) == strconv.FormatBool(want)
	case json.Number:
		return b[0] != '"' && numbersEqual(string(b), string(want))
	case string:
		var s string
		return b[0] == '"' && json.Unmarshal(b, &s) == nil && s == want
	}
	return false
}

func numbersEqual(a, b string) bool {
	x, errX := strconv.ParseInt(a, 10, 64)
	y, errY := strconv.ParseInt(b, 10, 64)
	if errX == nil && errY == nil {
		return x == y
	}
	f, errF := strconv.ParseFloat(a, 64)
	g, errG := strconv.ParseFloat(b, 64)
	return errF == nil && errG == nil && f == g
}

// copied returns what a transaction sees as a value to write elsewhere, with its
// types. Marks and blocks of texts aren't copied.
func (w *work) copied(tx *crdt.Tx, item crdt.Item) (any, error) {
	if err := w.spend(1); err != nil {
		return nil, err
	}
	switch item.Kind {
	case crdt.KindScalar:
		v := item.Value
		if v.Code() == crdt.ValueUint && v.Uint() < 1<<63 {
			return crdt.IntValue(int64(v.Uint())), nil // uints are read but not written
		}
		return v.Clone(), w.spend(len(v.Bytes()) / workText)
	case crdt.KindText:
		return crdt.Text(tx.Text(item.ID)), w.spend(tx.Len(item.ID) / workText)
	case crdt.KindList:
		values := make([]any, tx.Len(item.ID))
		for i := range values {
			e, _ := tx.Element(item.ID, i)
			value, err := w.copied(tx, e.Item)
			if err != nil {
				return nil, err
			}
			values[i] = value
		}
		return values, nil
	}
	fields := make(map[string]any)
	for _, key := range tx.Keys(item.ID) {
		now, _ := tx.Field(item.ID, key)
		value, err := w.copied(tx, now)
		if err != nil {
			return nil, err
		}
		fields[key] = value
	}
	return fields, nil
}
