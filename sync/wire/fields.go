package wire

import "math"

// maxNumber is the largest integer below which every integer has a float64 of its own.
const maxNumber = 1 << 53

// optional reports whether a field is there: neither absent nor undefined nor null.
func (d *decoder) optional(f field) bool {
	return d.at[f] > 0 && d.r.b[d.at[f]] != cborNull
}

// required reads the head of a field that must be there.
func (d *decoder) required(f field) (head, int, bool) {
	if d.at[f] == 0 {
		d.fail(fieldNames[f], "missing")
		return head{}, 0, false
	}
	h, pos, err := d.r.head(d.at[f])
	if err != nil { // not reached: index has been here
		d.fail(fieldNames[f], err.Error())
		return head{}, 0, false
	}
	return h, pos, true
}

func (d *decoder) kind() []byte { return d.textBytes(fieldType) }

// textBytes reads a required text, which aliases the frame.
func (d *decoder) textBytes(f field) []byte {
	h, pos, ok := d.required(f)
	if !ok {
		return nil
	}
	if h.major != majorText {
		d.fail(fieldNames[f], "not text")
		return nil
	}
	end := pos + int(h.arg) // index has checked the length and the encoding
	return d.r.b[pos:end]
}

// text reads a required text of at most so many bytes.
func (d *decoder) text(f field, most int) string {
	b := d.textBytes(f)
	if len(b) > most {
		d.fail(fieldNames[f], "too long")
		return ""
	}
	return string(b)
}

// optionalText is text, but "" for a field that isn't there.
func (d *decoder) optionalText(f field, most int) string {
	if !d.optional(f) {
		return ""
	}
	return d.text(f, most)
}

// data reads a required byte string, which aliases the frame, with or without tag 64.
func (d *decoder) data() []byte {
	name := fieldNames[fieldData]
	h, pos, ok := d.required(fieldData)
	if !ok {
		return nil
	}
	if h.major == majorTag && h.arg == tagUint8Array {
		h, pos, _ = d.r.head(pos)
	}
	if h.major != majorBytes {
		d.fail(name, "not a byte string")
		return nil
	}
	if h.arg == 0 {
		d.fail(name, "empty")
		return nil
	}
	end := pos + int(h.arg)
	return d.r.b[pos:end:end]
}

func (d *decoder) flag(f field) bool {
	h, _, ok := d.required(f)
	if !ok {
		return false
	}
	if h.first != cborTrue && h.first != cborFalse {
		d.fail(fieldNames[f], "not a boolean")
	}
	return h.first == cborTrue
}

func (d *decoder) number(f field) uint64 {
	h, _, ok := d.required(f)
	if !ok {
		return 0
	}
	n, reason := integer(h)
	if reason != "" {
		d.fail(fieldNames[f], reason)
	}
	return n
}

func (d *decoder) optionalNumber(f field) uint64 {
	if !d.optional(f) {
		return 0
	}
	return d.number(f)
}

// integer returns the value of an integer or float item that is an integer
// from 0 to maxNumber, or what is wrong with it.
func integer(h head) (n uint64, reason string) {
	var value float64
	switch {
	case h.major == majorUint:
		if h.arg > maxNumber {
			return 0, "above 2^53"
		}
		return h.arg, ""
	case h.major == majorNegInt:
		return 0, "negative"
	case h.first == cborFloat16:
		value = float16(uint16(h.arg))
	case h.first == cborFloat32:
		value = float64(math.Float32frombits(uint32(h.arg)))
	case h.first == cborFloat64:
		value = math.Float64frombits(h.arg)
	default:
		return 0, "not a number"
	}
	switch {
	case value != value:
		return 0, "NaN"
	case value < 0:
		return 0, "negative"
	case value > maxNumber:
		return 0, "above 2^53"
	case value != math.Trunc(value):
		return 0, "not an integer"
	}
	return uint64(value), ""
}

// float16 returns the value of an IEEE 754 half float (RFC 8949, appendix D).
func float16(bits uint16) float64 {
	exponent, fraction := int(bits>>10&0x1f), float64(bits&0x3ff)
	var value float64
	switch exponent {
	case 0:
		value = math.Ldexp(fraction, -24)
	case 31:
		value = math.Inf(1)
		if fraction != 0 {
			value = math.NaN()
		}
	default:
		value = math.Ldexp(fraction+1024, exponent-25)
	}
	if bits&0x8000 != 0 {
		return -value
	}
	return value
}
