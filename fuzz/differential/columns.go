package differential

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
)

// This file takes document chunks apart without the help of the package under
// test.

// columnsOf describes the document chunk at the front of b: actors, heads, and
// each column inflated, a line each.
func columnsOf(b []byte) ([]string, error) {
	r := byteReader{b: b}
	r.take(8)
	if kind := r.take(1); len(kind) != 1 || kind[0] != 0 {
		return nil, errors.New("not a document chunk")
	}
	r.b = r.take(r.number())
	var lines []string
	add := func(name string, b []byte) { lines = append(lines, name+" "+hex.EncodeToString(b)) }
	for range r.number() {
		add("actor", r.take(r.number()))
	}
	heads := r.number()
	for range heads {
		add("head", r.take(32))
	}
	changes, ops := r.metadata(), r.metadata()
	for i, list := range [][][2]int{changes, ops} {
		for _, c := range list {
			name, data := fmt.Sprintf("%s column %02x", []string{"change", "op"}[i], c[0]&^8), r.take(c[1])
			if c[0]&8 != 0 {
				var err error
				if data, err = io.ReadAll(flate.NewReader(bytes.NewReader(data))); err != nil {
					return nil, fmt.Errorf("%s: %w", name, err)
				}
			}
			add(name, data)
		}
	}
	var rows []int
	for range heads {
		rows = append(rows, r.number())
	}
	lines = append(lines, fmt.Sprint("rows of heads ", rows))
	if r.err == nil && len(r.b) > 0 {
		r.err = fmt.Errorf("%d bytes left over", len(r.b))
	}
	return lines, r.err
}

// byteReader reads until its first error, which it keeps.
type byteReader struct {
	b   []byte
	err error
}

func (r *byteReader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.b, r.err = nil, io.ErrUnexpectedEOF
		return nil
	}
	taken := r.b[:n]
	r.b = r.b[n:]
	return taken
}

func (r *byteReader) number() int {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.b, r.err = nil, io.ErrUnexpectedEOF
		return 0
	}
	r.b = r.b[n:]
	return int(v)
}

// metadata reads pairs of a column's specification and its length.
func (r *byteReader) metadata() [][2]int {
	var list [][2]int
	for range r.number() {
		if r.err != nil {
			return nil
		}
		list = append(list, [2]int{r.number(), r.number()})
	}
	return list
}

// compareColumns returns the first line in which two documents differ.
func compareColumns(ours, theirs []byte) error {
	a, err := columnsOf(ours)
	if err != nil {
		return fmt.Errorf("ours: %w", err)
	}
	b, err := columnsOf(theirs)
	if err != nil {
		return fmt.Errorf("theirs: %w", err)
	}
	return compareLines(a, b)
}

func compareLines(ours, theirs []string) error {
	if slices.Equal(ours, theirs) {
		return nil
	}
	for i := range max(len(ours), len(theirs)) {
		if i >= len(ours) || i >= len(theirs) || ours[i] != theirs[i] {
			return fmt.Errorf("line %d\nours   %s\ntheirs %s", i+1, line(ours, i), line(theirs, i))
		}
	}
	return nil
}

func line(lines []string, i int) string {
	if i >= len(lines) {
		return "(none)"
	}
	return lines[i]
}
