package crdt

import (
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendJSON appends an object as JSON without spaces; the zero OpID is the
// root. Equal contents give equal bytes: map keys stand in UTF-8 order. Nothing
// is appended for an unknown object.
//
//	int, uint, counter  number with all its digits, a counter with its increments
//	float64             number as JavaScript writes it; null for NaN and infinities
//	timestamp           string as Date.toJSON of JavaScript writes it, null outside the range of Date
//	bytes, unknown      string, base64
//	text                string; U+FFFC for each element that isn't a string
//	table               {}
func (v View) AppendJSON(b []byte, obj OpID) []byte { return v.appendJSON(b, obj, false) }

// AppendTypedJSON is AppendJSON with a form that tells all types apart. Maps,
// lists, null, true and false are as in JSON; everything else is an object with
// the type as its key and a string:
//
//	int, uint, counter, timestamp   decimal digits, of a timestamp the milliseconds
//	f64                             number as JavaScript writes it, NaN, Infinity or -Infinity
//	str                             scalar string
//	text                            text object
//	bytes                           lower-case hex
//	unknown                         the type's number and, in the key "bytes", lower-case hex
func (v View) AppendTypedJSON(b []byte, obj OpID) []byte { return v.appendJSON(b, obj, true) }

func (v View) appendJSON(b []byte, obj OpID, typed bool) []byte {
	o, ok := v.object(obj)
	if !ok {
		return b
	}
	w := v.walker(o)
	first := true // item of the innermost object
	for w.next() {
		brackets := "{}"
		if w.found.action == ActionMakeList {
			brackets = "[]"
		}
		if w.leave {
			b, first = append(b, brackets[1]), false
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		if len(w.frames) > 0 {
			if key, ok := w.key(); ok {
				b = append(appendJSONString(b, key), ':')
			}
		}
		switch {
		case w.found.action == ActionSet && typed:
			b = appendTypedValue(b, w.found.value)
		case w.found.action == ActionSet:
			b = appendJSONValue(b, w.found.value)
		case w.found.action == ActionMakeText && typed:
			b = append(v.appendJSONText(append(b, `{"text":`...), w.obj), '}')
		case w.found.action == ActionMakeText:
			b = v.appendJSONText(b, w.obj)
		default:
			b, first = append(b, brackets[0]), true
		}
	}
	return b
}

func (v View) appendJSONText(b []byte, obj uint32) []byte {
	b = append(b, '"')
	for part := range v.strings(&v.s.objects[obj]) {
		b = appendEscaped(b, part)
	}
	return append(b, '"')
}

// AppendJSON appends a scalar as View.AppendJSON does.
func (v Value) AppendJSON(b []byte) []byte { return appendJSONValue(b, v) }

func appendJSONValue(b []byte, v Value) []byte {
	switch v.code {
	case ValueNull:
		return append(b, "null"...)
	case ValueFalse, ValueTrue:
		return strconv.AppendBool(b, v.Bool())
	case ValueUint:
		return strconv.AppendUint(b, v.num, 10)
	case ValueInt, ValueCounter:
		return strconv.AppendInt(b, int64(v.num), 10)
	case ValueFloat64:
		if f := v.Float64(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return appendFloat(b, f)
		}
		return append(b, "null"...)
	case ValueString:
		return appendJSONString(b, v.raw)
	case ValueTimestamp:
		return appendDate(b, int64(v.num))
	}
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, v.raw)
	return append(b, '"')
}

func appendTypedValue(b []byte, v Value) []byte {
	switch v.code {
	case ValueNull, ValueFalse, ValueTrue:
		return appendJSONValue(b, v)
	case ValueUint:
		b = strconv.AppendUint(append(b, `{"uint":"`...), v.num, 10)
	case ValueInt:
		b = strconv.AppendInt(append(b, `{"int":"`...), int64(v.num), 10)
	case ValueCounter:
		b = strconv.AppendInt(append(b, `{"counter":"`...), int64(v.num), 10)
	case ValueTimestamp:
		b = strconv.AppendInt(append(b, `{"timestamp":"`...), int64(v.num), 10)
	case ValueFloat64:
		b = appendFloat(append(b, `{"f64":"`...), v.Float64())
	case ValueString:
		b = appendEscaped(append(b, `{"str":"`...), v.raw)
	case ValueBytes:
		b = hex.AppendEncode(append(b, `{"bytes":"`...), v.raw)
	default:
		b = strconv.AppendUint(append(b, `{"unknown":`...), uint64(v.code), 10)
		b = hex.AppendEncode(append(b, `,"bytes":"`...), v.raw)
	}
	return append(b, `"}`...)
}

// appendFloat appends the shortest digits that give f again, in the form of
// JavaScript's Number.prototype.toString.
func appendFloat(b []byte, f float64) []byte {
	switch abs := math.Abs(f); {
	case math.IsNaN(f):
		return append(b, "NaN"...)
	case math.IsInf(f, 1):
		return append(b, "Infinity"...)
	case math.IsInf(f, -1):
		return append(b, "-Infinity"...)
	case f == 0:
		return append(b, '0')
	case abs >= 1e-6 && abs < 1e21:
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	b = strconv.AppendFloat(b, f, 'e', -1, 64)
	if n := len(b); b[n-2] == '0' && (b[n-3] == '-' || b[n-3] == '+') {
		b[n-2] = b[n-1] // one digit of exponent instead of two
		b = b[:n-1]
	}
	return b
}

// maxDate is how many milliseconds from the epoch JavaScript's Date reaches.
const maxDate = 8_640_000_000_000_000

// appendDate appends a time in the form of Date.toJSON: years beyond four
// digits have six and a sign.
func appendDate(b []byte, ms int64) []byte {
	if ms < -maxDate || ms > maxDate {
		return append(b, "null"...)
	}
	t := time.UnixMilli(ms).UTC()
	b = append(b, '"')
	switch year := t.Year(); {
	case year < 0:
		b = appendPadded(append(b, '-'), -year, 6)
	case year > 9999:
		b = appendPadded(append(b, '+'), year, 6)
	default:
		b = appendPadded(b, year, 4)
	}
	return t.AppendFormat(b, `-01-02T15:04:05.000Z"`)
}

// appendPadded appends a year with leading zeros.
func appendPadded(b []byte, year, digits int) []byte {
	const zeros = "000000"
	text := strconv.Itoa(year)
	return append(append(b, zeros[:digits-len(text)]...), text...)
}

func appendJSONString(b, s []byte) []byte { return append(appendEscaped(append(b, '"'), s), '"') }

// appendEscaped appends the inside of a JSON string. Only what JSON demands is
// escaped, and s is valid UTF-8.
func appendEscaped(b, s []byte) []byte {
	const digits = "0123456789abcdef"
	from := 0
	for i, c := range s {
		if c >= ' ' && c != '"' && c != '\\' || c >= utf8.RuneSelf {
			continue
		}
		b = append(append(b, s[from:i]...), '\\')
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, c)
		case '\b':
			b = append(b, 'b')
		case '\t':
			b = append(b, 't')
		case '\n':
			b = append(b, 'n')
		case '\f':
			b = append(b, 'f')
		case '\r':
			b = append(b, 'r')
		default:
			b = append(b, 'u', '0', '0', digits[c>>4], digits[c&15])
		}
	}
	return append(b, s[from:]...)
}
