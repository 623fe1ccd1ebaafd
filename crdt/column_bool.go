package crdt

// boolReader reads a column of booleans: run lengths of false, true, false, …
// of which only the first may be zero.
type boolReader struct {
	rest    []byte
	left    uint64
	value   bool
	started bool
	absent  bool // no bytes at all: every row is false
	anyTrue bool // a true row was read
}

func newBoolReader(b []byte) boolReader {
	return boolReader{rest: b, absent: len(b) == 0, value: true}
}

func (r *boolReader) next() (bool, error) {
	for r.left == 0 {
		if r.absent {
			return false, nil
		}
		if len(r.rest) == 0 {
			return false, errColumnShort
		}
		n, size, err := readUleb(r.rest)
		if err != nil {
			return false, err
		}
		if n == 0 && r.started {
			return false, errZeroBoolRun
		}
		r.rest, r.left, r.value, r.started = r.rest[size:], n, !r.value, true
	}
	r.left--
	r.anyTrue = r.anyTrue || r.value
	return r.value, nil
}

// end checks that the rows read were all rows of the column.
func (r *boolReader) end() error {
	if r.left > 0 || len(r.rest) > 0 {
		return errColumnLong
	}
	return nil
}

// boolWriter writes a column of booleans.
type boolWriter struct {
	out     []byte
	count   uint64
	value   bool
	anyTrue bool
}

func (w *boolWriter) reset() { *w = boolWriter{out: w.out[:0]} }

func (w *boolWriter) append(v bool) {
	if v != w.value {
		w.out = appendUleb(w.out, w.count)
		w.value, w.count = v, 0
	}
	w.count++
	w.anyTrue = w.anyTrue || v
}

// finish returns the column; no bytes when there were no rows.
func (w *boolWriter) finish() []byte {
	if w.count > 0 {
		w.out = appendUleb(w.out, w.count)
	}
	w.count = 0
	return w.out
}
