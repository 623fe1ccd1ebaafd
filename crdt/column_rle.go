package crdt

import (
	"bytes"
	"errors"
	"unicode/utf8"
)

// Errors of the column readers. A canonical column has one encoding only.
var (
	errColumnShort = errors.New("column has too few rows")
	errColumnLong  = errors.New("column has too many rows")
	errNotUTF8     = errors.New("string isn't valid UTF-8")
	errCutOff      = errors.New("string is cut off")

	errRunOfOne      = nonCanonical("run of one value")
	errNullRunOfZero = nonCanonical("run of zero nulls")
	errSplitRun      = nonCanonical("equal neighbours outside one run")
	errSplitLiteral  = nonCanonical("adjacent literal runs")
	errSplitNulls    = nonCanonical("adjacent null runs")
	errOnlyNulls     = nonCanonical("column of nulls alone")
	errZeroBoolRun   = nonCanonical("empty boolean run")
	errOnlyFalse     = nonCanonical("column of false alone")
)

// nonCanonical is an error about bytes that can be read, but are not those
// that encoding the same rows gives.
type nonCanonical string

func (e nonCanonical) Error() string { return string(e) }

// valueKind is how the values of an RLE column are written.
type valueKind uint8

const (
	kindUleb valueKind = iota
	kindSleb
	kindString
)

type rleRecord uint8

const (
	recordNone rleRecord = iota
	recordRun
	recordLiteral
	recordNulls
)

// rleReader reads a run-length encoded column row by row and refuses any form
// that the encoder would not write. Runs are counted down, never expanded, so
// that a run of 2^40 rows costs nothing until its rows are asked for.
type rleReader struct {
	rest   []byte
	left   uint64 // rows left in the current record
	record rleRecord
	kind   valueKind
	hasRow bool // num and str hold the row before, which wasn't null
	absent bool // no bytes at all: every row is null

	num uint64 // value of the row read last; two's complement if kindSleb
	str []byte // aliases the column
}

func newRLEReader(b []byte, kind valueKind) rleReader {
	return rleReader{rest: b, kind: kind, absent: len(b) == 0}
}

// next reads one row and reports whether it holds a value; the value is then
// in num or str.
func (r *rleReader) next() (ok bool, err error) {
	if r.left == 0 {
		if r.absent {
			return false, nil
		}
		if err := r.nextRecord(); err != nil {
			return false, err
		}
	}
	r.left--
	switch r.record {
	case recordNulls:
		return false, nil
	case recordLiteral:
		return true, r.readValue()
	}
	return true, nil
}

// nextRecord reads a record's head and, for a run, its value.
func (r *rleReader) nextRecord() error {
	if len(r.rest) == 0 {
		return errColumnShort
	}
	n, size, err := readSleb(r.rest)
	if err != nil {
		return err
	}
	r.rest = r.rest[size:]
	switch {
	case n == 0:
		return r.startNulls()
	case n == 1:
		return errRunOfOne
	case n > 1:
		r.left, r.record = uint64(n), recordRun
		return r.readValue()
	}
	if r.record == recordLiteral {
		return errSplitLiteral
	}
	r.left, r.record = -uint64(n), recordLiteral
	return nil
}

func (r *rleReader) startNulls() error {
	if r.record == recordNulls {
		return errSplitNulls
	}
	n, size, err := readUleb(r.rest)
	if err != nil {
		return err
	}
	if n == 0 {
		return errNullRunOfZero
	}
	r.rest = r.rest[size:]
	if r.record == recordNone && len(r.rest) == 0 {
		return errOnlyNulls
	}
	r.left, r.record, r.hasRow = n, recordNulls, false
	return nil
}

// readValue reads the next value and refuses it if it equals the row before:
// the encoder would have put both into one run.
func (r *rleReader) readValue() error {
	num, str := r.num, r.str
	if err := r.decodeValue(); err != nil {
		return err
	}
	if r.hasRow && r.num == num && bytes.Equal(r.str, str) {
		return errSplitRun
	}
	r.hasRow = true
	return nil
}

func (r *rleReader) decodeValue() error {
	if r.kind == kindSleb {
		v, size, err := readSleb(r.rest)
		if err != nil {
			return err
		}
		r.num, r.rest = uint64(v), r.rest[size:]
		return nil
	}
	v, size, err := readUleb(r.rest)
	if err != nil {
		return err
	}
	rest := r.rest[size:]
	if r.kind == kindString {
		if v > uint64(len(rest)) {
			return errCutOff
		}
		r.str, rest = rest[:v:v], rest[v:]
		if !utf8.Valid(r.str) {
			return errNotUTF8
		}
		v = 0
	}
	r.num, r.rest = v, rest
	return nil
}

// end checks that the rows read were all rows of the column.
func (r *rleReader) end() error {
	if r.left > 0 || len(r.rest) > 0 {
		return errColumnLong
	}
	return nil
}

// rleWriter writes a column in canonical form, row by row.
type rleWriter struct {
	out     []byte
	kind    valueKind
	record  rleRecord
	count   uint64 // rows of the open record; of a literal, those in literal
	literal []byte
	num     uint64 // last value: of a run its value, of a literal not yet in literal
	str     []byte
}

// reset begins an empty column in the memory of the one before.
func (w *rleWriter) reset(kind valueKind) {
	*w = rleWriter{kind: kind, out: w.out[:0], literal: w.literal[:0]}
}

func (w *rleWriter) appendUint(v uint64) {
	if w.record == recordRun && w.num == v {
		w.count++ // of a column of numbers, whose values have no str
		return
	}
	w.appendRow(v, nil)
}

func (w *rleWriter) appendRow(num uint64, str []byte) {
	same := w.num == num && bytes.Equal(w.str, str)
	switch {
	case w.record == recordRun && same:
		w.count++
		return
	case w.record == recordLiteral && same:
		w.flushLiteral()
		w.record, w.count = recordRun, 2
		return
	case w.record == recordLiteral:
		w.literal = w.appendValue(w.literal)
		w.count++
	default:
		w.flush()
		w.record, w.count = recordLiteral, 0
	}
	w.num, w.str = num, str
}

func (w *rleWriter) appendNull() {
	if w.record == recordNulls {
		w.count++
		return
	}
	w.startNulls()
}

func (w *rleWriter) startNulls() {
	w.flush()
	w.record, w.count = recordNulls, 1
}

// flush writes the open record.
func (w *rleWriter) flush() {
	switch w.record {
	case recordRun:
		w.out = appendSleb(w.out, int64(w.count))
		w.out = w.appendValue(w.out)
	case recordLiteral:
		w.literal = w.appendValue(w.literal)
		w.count++
		w.flushLiteral()
	case recordNulls:
		w.out = append(w.out, 0)
		w.out = appendUleb(w.out, w.count)
	}
	w.record = recordNone
}

func (w *rleWriter) flushLiteral() {
	if w.count > 0 {
		w.out = appendSleb(w.out, -int64(w.count))
		w.out = append(w.out, w.literal...)
	}
	w.literal, w.count = w.literal[:0], 0
}

func (w *rleWriter) appendValue(b []byte) []byte {
	switch w.kind {
	case kindSleb:
		return appendSleb(b, int64(w.num))
	case kindString:
		b = appendUleb(b, uint64(len(w.str)))
		return append(b, w.str...)
	}
	return appendUleb(b, w.num)
}

// finish returns the column; no bytes when every row was null.
func (w *rleWriter) finish() []byte {
	if w.record == recordNulls && len(w.out) == 0 {
		return nil
	}
	w.flush()
	return w.out
}
