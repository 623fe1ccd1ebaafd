package crdt

import (
	"errors"
	"math/bits"
)

// LEB128 as Automerge writes it, read strictly: the shortest form only, at most
// 10 bytes, at most 64 bits.

var (
	errLEBTruncated = errors.New("number is cut off")
	errLEBOverlong  = errors.New("number isn't in its shortest form")
	errLEBTooLarge  = errors.New("number has more than 64 bits")
)

const maxLEBBytes = 10

// readUleb reads an unsigned number from the front of b; n is its length in bytes.
func readUleb(b []byte) (v uint64, n int, err error) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1, nil
	}
	for i, c := range b {
		if i == maxLEBBytes-1 && c > 1 {
			return 0, 0, errLEBTooLarge
		}
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			if c == 0 && i > 0 {
				return 0, 0, errLEBOverlong
			}
			return v, i + 1, nil
		}
	}
	return 0, 0, errLEBTruncated
}

// readSleb reads a signed number from the front of b; n is its length in bytes.
func readSleb(b []byte) (v int64, n int, err error) {
	for i, c := range b {
		if i == maxLEBBytes-1 && c != 0 && c != 0x7f {
			return 0, 0, errLEBTooLarge
		}
		v |= int64(c&0x7f) << (7 * i)
		if c >= 0x80 {
			continue
		}
		if i > 0 && overlongSleb(b[i-1], c) {
			return 0, 0, errLEBOverlong
		}
		if shift := 7 * (i + 1); c&0x40 != 0 && shift < 64 {
			v |= -1 << shift
		}
		return v, i + 1, nil
	}
	return 0, 0, errLEBTruncated
}

// overlongSleb reports whether the last byte only repeats the sign that the
// byte before it already carries.
func overlongSleb(before, last byte) bool {
	return last == 0 && before&0x40 == 0 || last == 0x7f && before&0x40 != 0
}

func appendUleb(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

func appendSleb(b []byte, v int64) []byte {
	for v < -0x40 || v >= 0x40 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v)&0x7f)
}

// ulebLen returns the encoded length of v in bytes.
func ulebLen(v uint64) int { return max(1, (bits.Len64(v)+6)/7) }
