package conflict

import (
	"math"
	"testing"

	"concord/crdt"
)

// TestClasses checks that writes are of different classes exactly if they differ.
func TestClasses(t *testing.T) {
	var writes []crdt.Write
	for _, v := range []crdt.Value{
		crdt.NullValue(), crdt.BoolValue(false), crdt.BoolValue(true),
		crdt.UintValue(0), crdt.UintValue(7), crdt.UintValue(1 << 53), crdt.UintValue(1<<53 + 1), crdt.UintValue(1 << 63), crdt.UintValue(math.MaxUint64),
		crdt.IntValue(0), crdt.IntValue(7), crdt.IntValue(-7), crdt.IntValue(1 << 53), crdt.IntValue(math.MinInt64), crdt.IntValue(math.MaxInt64),
		crdt.Float64Value(0), crdt.Float64Value(math.Copysign(0, -1)), crdt.Float64Value(7), crdt.Float64Value(-7), crdt.Float64Value(7.5),
		crdt.Float64Value(1 << 53), crdt.Float64Value(1 << 63), crdt.Float64Value(-1 << 63), crdt.Float64Value(1 << 64), crdt.Float64Value(math.Inf(1)),
		crdt.Float64Value(math.Inf(-1)), crdt.Float64Value(math.NaN()), crdt.Float64Value(math.Float64frombits(math.Float64bits(math.NaN()) ^ 1)),
		crdt.StringValue(""), crdt.StringValue("7"), crdt.BytesValue([]byte("7")), crdt.BytesValue(nil),
		crdt.CounterValue(0), crdt.CounterValue(7), crdt.CounterValue(-7), crdt.TimestampValue(0), crdt.TimestampValue(7),
		crdt.UnknownValue(10, []byte("7")), crdt.UnknownValue(11, []byte("7")), crdt.UnknownValue(11, nil),
	} {
		writes = append(writes, crdt.Write{Action: crdt.ActionSet, Value: v})
	}
	for _, action := range []crdt.Action{crdt.ActionDelete, crdt.ActionMakeMap, crdt.ActionMakeList, crdt.ActionMakeText, crdt.ActionMakeTable} {
		writes = append(writes, crdt.Write{Action: action})
	}
	writes = append(writes,
		crdt.Write{Action: crdt.ActionIncrement, Value: crdt.IntValue(1)}, crdt.Write{Action: crdt.ActionIncrement, Value: crdt.IntValue(2)})
	for _, u := range writes {
		for _, v := range writes {
			if got, want := classOf(u).differs(classOf(v)), differ(u, v); got != want {
				t.Errorf("%s %v and %s %v: classes differ is %t, want %t", u.Action, u.Value, v.Action, v.Value, got, want)
			}
		}
	}
}
