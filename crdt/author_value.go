package crdt

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// Text is a Go string that becomes a text object, which people can edit at the
// same time. A plain string does too, unless Tx.ScalarStrings is set. A string
// that is replaced as a whole is written as StringValue.
type Text string

// Counter is a Go number that becomes a counter with that start value.
type Counter int64

// content is what a Go value becomes in the document: a scalar, or an object
// whose members are looked at when it is filled.
type content struct {
	action Action // set, or the op that makes the object
	value  Value  // of a scalar
	text   string
	list   []any
	fields map[string]any
	of     *original // of an object: what to copy, instead
}

func scalar(v Value) content { return content{action: ActionSet, value: v} }

// contentOf converts a Go value: nil, bool, every integer type, float32 and float64
// (whole numbers become ints), json.Number, string, Text, Counter, []byte, time.Time
// (a timestamp in milliseconds), Value, []any and map[string]any.
func (tx *Tx) contentOf(v any) (content, error) {
	switch v := v.(type) {
	case string:
		if tx.ScalarStrings {
			return stringContent(v)
		}
		return textContent(v)
	case Text:
		return textContent(string(v))
	case []any:
		return content{action: ActionMakeList, list: v}, nil
	case map[string]any:
		return content{action: ActionMakeMap, fields: v}, nil
	}
	value, err := scalarOf(v)
	return scalar(value), err
}

func stringContent(s string) (content, error) {
	v, err := scalarOf(s)
	return scalar(v), err
}

func textContent(s string) (content, error) {
	if !utf8.ValidString(s) {
		return content{}, fmt.Errorf("text: %w", errNotUTF8)
	}
	return content{action: ActionMakeText, text: s}, nil
}

// scalarOf converts a Go value that isn't an object; strings become scalars.
func scalarOf(v any) (Value, error) {
	switch v := v.(type) {
	case nil:
		return NullValue(), nil
	case bool:
		return BoolValue(v), nil
	case string:
		if !utf8.ValidString(v) {
			return Value{}, fmt.Errorf("string: %w", errNotUTF8)
		}
		return StringValue(v), nil
	case []byte:
		return BytesValue(slices.Clone(v)), nil
	case time.Time:
		return TimestampValue(v.UnixMilli()), nil
	case Counter:
		return CounterValue(int64(v)), nil
	case float64:
		return numberValue(v), nil
	case float32:
		return numberValue(float64(v)), nil
	case json.Number:
		return jsonNumberValue(v)
	case Value:
		return writable(v)
	}
	return integerOf(v)
}

func integerOf(v any) (Value, error) {
	switch v := v.(type) {
	case int:
		return IntValue(int64(v)), nil
	case int8:
		return IntValue(int64(v)), nil
	case int16:
		return IntValue(int64(v)), nil
	case int32:
		return IntValue(int64(v)), nil
	case int64:
		return IntValue(v), nil
	case uint:
		return unsignedValue(uint64(v))
	case uint8:
		return IntValue(int64(v)), nil
	case uint16:
		return IntValue(int64(v)), nil
	case uint32:
		return IntValue(int64(v)), nil
	case uint64:
		return unsignedValue(v)
	}
	return Value{}, fmt.Errorf("a Go value of type %T has no place in a document", v)
}

// unsignedValue writes an int: automerge-js shows uints as BigInt, on which
// JSON.stringify fails.
func unsignedValue(n uint64) (Value, error) {
	if n > math.MaxInt64 {
		return Value{}, fmt.Errorf("%d is above 2^63-1", n)
	}
	return IntValue(int64(n)), nil
}

// numberValue writes whole numbers as ints, as automerge-js does. Those that
// don't fit stay floats.
func numberValue(f float64) Value {
	if f == math.Trunc(f) && f >= math.MinInt64 && f < 1<<63 {
		return IntValue(int64(f))
	}
	return Float64Value(f)
}

func jsonNumberValue(n json.Number) (Value, error) {
	if i, err := n.Int64(); err == nil {
		return IntValue(i), nil
	}
	f, err := strconv.ParseFloat(string(n), 64)
	if err != nil {
		return Value{}, fmt.Errorf("number: %w", err)
	}
	return numberValue(f), nil
}

// writable refuses values that current clients show badly, see unsignedValue.
func writable(v Value) (Value, error) {
	switch {
	case v.code == ValueUint || v.code > ValueTimestamp || !v.valid():
		return Value{}, fmt.Errorf("values of type %d are read but not written", v.code)
	case v.code == ValueString && !utf8.Valid(v.raw):
		return Value{}, fmt.Errorf("string: %w", errNotUTF8)
	}
	return v, nil
}

// sortedKeys returns the keys of a map in the order in which they are written.
func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
