package crdt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"
)

// ValueCode is the type of a scalar value. The numbers are those of the format;
// 10 to 15 are unassigned, kept with their bytes.
type ValueCode uint8

// Types of scalar values.
const (
	ValueNull      ValueCode = 0
	ValueFalse     ValueCode = 1
	ValueTrue      ValueCode = 2
	ValueUint      ValueCode = 3
	ValueInt       ValueCode = 4
	ValueFloat64   ValueCode = 5
	ValueString    ValueCode = 6
	ValueBytes     ValueCode = 7
	ValueCounter   ValueCode = 8
	ValueTimestamp ValueCode = 9

	maxValueCode ValueCode = 15
)

// Value is a scalar value of a known or unknown type. The zero Value is null.
// Values are immutable; those of a parsed change alias the change's bytes.
type Value struct {
	code ValueCode
	num  uint64 // two's complement for signed types, IEEE 754 bits for floats
	raw  []byte // string, bytes and unknown types
}

// NullValue returns null.
func NullValue() Value { return Value{} }

// BoolValue returns true or false.
func BoolValue(b bool) Value {
	if b {
		return Value{code: ValueTrue}
	}
	return Value{code: ValueFalse}
}

// UintValue returns an unsigned integer. JavaScript shows it as a BigInt.
func UintValue(n uint64) Value { return Value{code: ValueUint, num: n} }

// IntValue returns a signed integer.
func IntValue(n int64) Value { return Value{code: ValueInt, num: uint64(n)} }

// Float64Value returns a float; NaN keeps its bits.
func Float64Value(f float64) Value { return Value{code: ValueFloat64, num: math.Float64bits(f)} }

// StringValue returns a scalar string, which must be valid UTF-8.
func StringValue(s string) Value { return Value{code: ValueString, raw: []byte(s)} }

// BytesValue returns a byte string. It keeps b.
func BytesValue(b []byte) Value { return Value{code: ValueBytes, raw: b} }

// CounterValue returns the start value of a counter.
func CounterValue(n int64) Value { return Value{code: ValueCounter, num: uint64(n)} }

// TimestampValue returns a point in time, milliseconds since the Unix epoch.
func TimestampValue(ms int64) Value { return Value{code: ValueTimestamp, num: uint64(ms)} }

// UnknownValue returns a value of an unassigned type, 10 to 15. It keeps b.
func UnknownValue(code ValueCode, b []byte) Value { return Value{code: code, raw: b} }

// Code returns the value's type.
func (v Value) Code() ValueCode { return v.code }

// Int returns the number of an int, counter or timestamp; 0 for other types.
func (v Value) Int() int64 {
	switch v.code {
	case ValueInt, ValueCounter, ValueTimestamp:
		return int64(v.num)
	}
	return 0
}

// Uint returns the number of a uint; 0 for other types.
func (v Value) Uint() uint64 {
	if v.code == ValueUint {
		return v.num
	}
	return 0
}

// Float64 returns the number of a float64; 0 for other types.
func (v Value) Float64() float64 {
	if v.code == ValueFloat64 {
		return math.Float64frombits(v.num)
	}
	return 0
}

// Bool reports whether v is true.
func (v Value) Bool() bool { return v.code == ValueTrue }

// Text returns a copy of a string value; "" for other types.
func (v Value) Text() string {
	if v.code == ValueString {
		return string(v.raw)
	}
	return ""
}

// Bytes returns the payload of a string, bytes or unknown value, nil for other
// types. The caller must not modify it.
func (v Value) Bytes() []byte { return v.raw }

// Clone returns the value with bytes of its own.
func (v Value) Clone() Value {
	v.raw = bytes.Clone(v.raw)
	return v
}

// Equal reports whether both values have the same type and the same bits.
func (v Value) Equal(other Value) bool {
	return v.code == other.code && v.num == other.num && bytes.Equal(v.raw, other.raw)
}

// String describes the value for people reading a failed test or a log of
// lengths; strings and bytes appear by length only.
func (v Value) String() string {
	switch v.code {
	case ValueNull:
		return "null"
	case ValueFalse, ValueTrue:
		return fmt.Sprint(v.Bool())
	case ValueUint:
		return fmt.Sprintf("uint %d", v.num)
	case ValueInt:
		return fmt.Sprintf("int %d", v.Int())
	case ValueFloat64:
		return fmt.Sprintf("float64 %v", v.Float64())
	case ValueString:
		return fmt.Sprintf("string of %d bytes", len(v.raw))
	case ValueBytes:
		return fmt.Sprintf("%d bytes", len(v.raw))
	case ValueCounter:
		return fmt.Sprintf("counter %d", v.Int())
	case ValueTimestamp:
		return fmt.Sprintf("timestamp %d", v.Int())
	}
	return fmt.Sprintf("type %d of %d bytes", v.code, len(v.raw))
}

// decodeValue reads the payload of a value, which must be used up exactly.
func decodeValue(code ValueCode, payload []byte) (Value, error) {
	v := Value{code: code}
	n, err := 0, error(nil)
	switch code {
	case ValueNull, ValueFalse, ValueTrue:
	case ValueUint:
		v.num, n, err = readUleb(payload)
	case ValueInt, ValueCounter, ValueTimestamp:
		var num int64
		num, n, err = readSleb(payload)
		v.num = uint64(num)
	case ValueFloat64:
		if len(payload) != 8 {
			return Value{}, fmt.Errorf("float64 of %d bytes", len(payload))
		}
		v.num, n = binary.LittleEndian.Uint64(payload), 8
	case ValueString:
		if !utf8.Valid(payload) {
			return Value{}, errNotUTF8
		}
		v.raw, n = payload, len(payload)
	default:
		v.raw, n = payload, len(payload)
	}
	if err != nil {
		return Value{}, fmt.Errorf("value of type %d: %w", code, err)
	}
	if n != len(payload) {
		return Value{}, fmt.Errorf("value of type %d has %d bytes left over", code, len(payload)-n)
	}
	return v, nil
}

// appendPayload appends the bytes that decodeValue reads.
func (v Value) appendPayload(b []byte) []byte {
	switch v.code {
	case ValueNull, ValueFalse, ValueTrue:
		return b
	case ValueUint:
		return appendUleb(b, v.num)
	case ValueInt, ValueCounter, ValueTimestamp:
		return appendSleb(b, int64(v.num))
	case ValueFloat64:
		return binary.LittleEndian.AppendUint64(b, v.num)
	}
	return append(b, v.raw...)
}

// valid reports whether the format has a place for v; UnknownValue can build
// values for which it has none.
func (v Value) valid() bool {
	switch v.code {
	case ValueString, ValueBytes:
		return true
	}
	return v.code <= maxValueCode && (v.raw == nil || v.code > ValueTimestamp)
}
