package protocol

import (
	"fmt"

	"concord/crdt"
)

// reader takes fields from the front of a byte slice.
type reader struct {
	b  []byte
	at int
}

func (r *reader) rest() int { return len(r.b) - r.at }

func (r *reader) fail(field, format string, args ...any) error {
	return &DecodeError{Offset: r.at, Field: field, Detail: fmt.Sprintf(format, args...)}
}

// uleb reads an unsigned LEB128 number in its shortest form.
func (r *reader) uleb(field string) (uint64, error) {
	var v uint64
	for n := 0; n < 10; n++ {
		if n >= r.rest() {
			return 0, r.fail(field, "number is cut off")
		}
		c := r.b[r.at+n]
		if n == 9 && c > 1 {
			break
		}
		v |= uint64(c&0x7f) << (7 * n)
		if c < 0x80 {
			if c == 0 && n > 0 {
				return 0, r.fail(field, "number is longer than it must be")
			}
			r.at += n + 1
			return v, nil
		}
	}
	return 0, r.fail(field, "number has more than 64 bits")
}

// count reads the length of a list whose entries take at least size bytes each.
func (r *reader) count(field string, limit, size int) (int, error) {
	start := r.at
	n, err := r.uleb(field)
	if err != nil {
		return 0, err
	}
	if n > uint64(limit) {
		r.at = start
		return 0, r.fail(field, "%d entries, at most %d", n, limit)
	}
	if n > uint64(r.rest()/size) {
		r.at = start
		return 0, r.fail(field, "%d entries don't fit into %d bytes", n, r.rest())
	}
	return int(n), nil
}

// hashes reads a list of hashes in the given order; nil for an empty list.
func (r *reader) hashes(field string, limit int) ([]crdt.Hash, error) {
	n, err := r.count(field, limit, len(crdt.Hash{}))
	if err != nil || n == 0 {
		return nil, err
	}
	hs := make([]crdt.Hash, n)
	for i := range hs {
		r.at += copy(hs[i][:], r.b[r.at:])
	}
	return hs, nil
}

// bytes reads length-prefixed bytes, which alias the input; never nil.
func (r *reader) bytes(field string) ([]byte, error) {
	start := r.at
	n, err := r.uleb(field)
	if err != nil {
		return nil, err
	}
	if n > uint64(r.rest()) {
		r.at = start
		return nil, r.fail(field, "%d bytes, %d are left", n, r.rest())
	}
	end := r.at + int(n)
	b := r.b[r.at:end:end]
	r.at = end
	return b, nil
}

func appendUleb(dst []byte, v uint64) []byte {
	for v >= 0x80 {
		dst = append(dst, byte(v)|0x80)
		v >>= 7
	}
	return append(dst, byte(v))
}

func appendHashes(dst []byte, hs []crdt.Hash) []byte {
	dst = appendUleb(dst, uint64(len(hs)))
	for i := range hs {
		dst = append(dst, hs[i][:]...)
	}
	return dst
}

func appendBytes(dst, b []byte) []byte { return append(appendUleb(dst, uint64(len(b))), b...) }
