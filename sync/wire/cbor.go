package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
)

// CBOR major types, in the upper three bits of an item's first byte (RFC 8949 §3.1).
const (
	majorUint   = 0 << 5
	majorNegInt = 1 << 5
	majorBytes  = 2 << 5
	majorText   = 3 << 5
	majorArray  = 4 << 5
	majorMap    = 5 << 5
	majorTag    = 6 << 5
	majorSimple = 7 << 5
)

// First bytes of the items of majorSimple that have a meaning here.
const (
	cborFalse     = 0xf4
	cborTrue      = 0xf5
	cborNull      = 0xf6
	cborUndefined = 0xf7
	cborFloat16   = 0xf9
	cborFloat32   = 0xfa
	cborFloat64   = 0xfb
	cborBreak     = 0xff
)

// tagUint8Array is of RFC 8746; cbor-x writes it unless told not to.
const tagUint8Array = 64

// selfDescribe is tag 55799, by which a whole message may say that it is CBOR
// (RFC 8949 §3.4.6).
var selfDescribe = []byte{0xd9, 0xd9, 0xf7}

// What makes bytes not well-formed, or too much.
var (
	errTruncated  = fmt.Errorf("%w: truncated", ErrMalformed)
	errTrailing   = fmt.Errorf("%w: bytes after the message", ErrMalformed)
	errReserved   = fmt.Errorf("%w: reserved CBOR item", ErrMalformed)
	errIndefinite = fmt.Errorf("%w: string of indefinite length", ErrMalformed)
	errUTF8       = fmt.Errorf("%w: text is not valid UTF-8", ErrMalformed)
	errDepth      = fmt.Errorf("%w: nested too deep", ErrMalformed)
	errItems      = fmt.Errorf("%w: too many items", ErrMalformed)
	errRepeated   = fmt.Errorf("%w: key repeated in a map", ErrMalformed)
	errKey        = fmt.Errorf("%w: map key is not text", ErrMalformed)
	errNotMap     = fmt.Errorf("%w: not a map", ErrMalformed)

	// errBreak ends a map or array of indefinite length; it never leaves the package.
	errBreak = errors.New("break")
)

// head is the start of a CBOR item.
type head struct {
	major      byte
	indefinite bool   // an array or map that ends with a break
	arg        uint64 // the value, length, count, tag or float bits
	first      byte   // the item's first byte
}

// reader walks over CBOR bytes. Positions are offsets into b.
type reader struct {
	b     []byte
	depth int // how much deeper the walk may go
	items int // how many more items the walk may meet
}

// head reads the head at pos and returns the position after it. A break gives errBreak.
func (r *reader) head(pos int) (head, int, error) {
	if pos >= len(r.b) {
		return head{}, pos, errTruncated
	}
	first := r.b[pos]
	h := head{major: first & 0xe0, first: first}
	info := first & 0x1f
	pos++
	if info < 24 {
		h.arg = uint64(info)
		return h, pos, nil
	}
	rest := r.b[pos:]
	switch info {
	case 24:
		if len(rest) < 1 {
			return head{}, pos, errTruncated
		}
		h.arg = uint64(rest[0])
		if h.major == majorSimple && h.arg < 32 {
			return head{}, pos, errReserved
		}
		return h, pos + 1, nil
	case 25:
		if len(rest) < 2 {
			return head{}, pos, errTruncated
		}
		h.arg = uint64(binary.BigEndian.Uint16(rest))
		return h, pos + 2, nil
	case 26:
		if len(rest) < 4 {
			return head{}, pos, errTruncated
		}
		h.arg = uint64(binary.BigEndian.Uint32(rest))
		return h, pos + 4, nil
	case 27:
		if len(rest) < 8 {
			return head{}, pos, errTruncated
		}
		h.arg = binary.BigEndian.Uint64(rest)
		return h, pos + 8, nil
	case 31:
		switch h.major {
		case majorBytes, majorText:
			return head{}, pos, errIndefinite
		case majorArray, majorMap:
			h.indefinite = true
			return h, pos, nil
		case majorSimple:
			return head{}, pos, errBreak
		}
	}
	return head{}, pos, errReserved
}

// str reads the byte or text string at pos, whose bytes alias the frame.
func (r *reader) str(h head, pos int) ([]byte, int, error) {
	if h.arg > uint64(len(r.b)-pos) {
		return nil, pos, errTruncated
	}
	end := pos + int(h.arg)
	s := r.b[pos:end:end]
	if h.major == majorText && !utf8.Valid(s) {
		return nil, pos, errUTF8
	}
	return s, end, nil
}

// skip checks the item at pos and returns the position after it. It recurses
// at most r.depth times, and meets at most r.items items, before it refuses.
func (r *reader) skip(pos int) (int, error) {
	h, pos, err := r.head(pos)
	if err != nil {
		return pos, err
	}
	if r.items--; r.items < 0 {
		return pos, errItems
	}
	switch h.major {
	case majorBytes, majorText:
		_, pos, err = r.str(h, pos)
		return pos, err
	case majorTag:
		if err := r.enter(); err != nil {
			return pos, err
		}
		pos, err = r.skip(pos)
		r.depth++
		return pos, notBreak(err)
	case majorArray, majorMap:
		per := 1
		if h.major == majorMap {
			per = 2
		}
		return r.skipAll(h, pos, per)
	}
	return pos, nil
}

// skipAll checks the entries of an array (per = 1) or map (per = 2).
func (r *reader) skipAll(h head, pos, per int) (int, error) {
	if err := r.enter(); err != nil {
		return pos, err
	}
	if err := r.counted(h, pos, per); err != nil {
		return pos, err
	}
	for left := h.arg; h.indefinite || left > 0; left-- {
		for i := range per {
			var err error
			if pos, err = r.skip(pos); err != nil {
				if err == errBreak && h.indefinite && i == 0 {
					r.depth++
					return pos, nil
				}
				return pos, notBreak(err)
			}
		}
	}
	r.depth++
	return pos, nil
}

// enter goes one level deeper; the caller takes it back with r.depth++.
func (r *reader) enter() error {
	if r.depth == 0 {
		return errDepth
	}
	r.depth--
	return nil
}

// counted refuses a declared count of entries that the items left or the bytes left can't hold.
func (r *reader) counted(h head, pos, per int) error {
	switch {
	case h.indefinite:
		return nil
	case h.arg > uint64(r.items/per):
		return errItems
	case h.arg > uint64((len(r.b)-pos)/per):
		return errTruncated
	}
	return nil
}

// notBreak turns a break in a place where there can be none into an error for the caller.
func notBreak(err error) error {
	if err == errBreak {
		return errReserved
	}
	return err
}

// entries checks the map with text keys at pos, calls visit with each key and
// the position of its value, and returns the position after the map. It
// refuses other keys, and whatever visit refuses; finding repeated keys is up
// to visit. The key aliases the frame.
func (r *reader) entries(pos int, visit func(key []byte, value int) error) (int, error) {
	h, pos, err := r.head(pos)
	if err != nil {
		return pos, notBreak(err)
	}
	if h.major != majorMap {
		return pos, errNotMap
	}
	if err := r.enter(); err != nil {
		return pos, err
	}
	if err := r.counted(h, pos, 2); err != nil {
		return pos, err
	}
	for left := h.arg; h.indefinite || left > 0; left-- {
		k, next, err := r.head(pos)
		if err == errBreak && h.indefinite {
			pos = next
			break
		}
		if err != nil {
			return pos, notBreak(err)
		}
		if k.major != majorText {
			return pos, errKey
		}
		key, value, err := r.str(k, next)
		if err != nil {
			return pos, err
		}
		if r.items--; r.items < 0 {
			return pos, errItems
		}
		if pos, err = r.skip(value); err != nil {
			return pos, notBreak(err)
		}
		if err := visit(key, value); err != nil {
			return pos, err
		}
	}
	r.depth++
	return pos, nil
}
