package crdt

import (
	"errors"
	"math"
)

var errDeltaRange = errors.New("sum of differences is out of range")

// deltaReader reads a column of differences. Nulls leave the running value alone.
type deltaReader struct {
	rle rleReader
	abs int64
}

func newDeltaReader(b []byte) deltaReader {
	return deltaReader{rle: newRLEReader(b, kindSleb)}
}

func (r *deltaReader) next() (v int64, ok bool, err error) {
	ok, err = r.rle.next()
	if err != nil || !ok {
		return 0, false, err
	}
	d := int64(r.rle.num)
	if d > 0 && r.abs > math.MaxInt64-d || d < 0 && r.abs < math.MinInt64-d {
		return 0, false, errDeltaRange
	}
	r.abs += d
	return r.abs, true, nil
}

// nextCounter reads a row that must be null or fit an op counter.
func (r *deltaReader) nextCounter() (v uint32, ok bool, err error) {
	n, ok, err := r.next()
	if err != nil || !ok {
		return 0, false, err
	}
	if n < 0 || n > math.MaxUint32 {
		return 0, false, errDeltaRange
	}
	return uint32(n), true, nil
}

// deltaWriter writes a column of differences. The caller keeps neighbouring
// values less than 2^63 apart, as counters are.
type deltaWriter struct {
	rle rleWriter
	abs int64
}

func (w *deltaWriter) reset() {
	w.rle.reset(kindSleb)
	w.abs = 0
}

func (w *deltaWriter) append(v int64) {
	w.rle.kind = kindSleb
	w.rle.appendUint(uint64(v - w.abs))
	w.abs = v
}
