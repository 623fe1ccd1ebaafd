package conflict

import (
	"math"

	"concord/crdt"
)

// differ reports whether two concurrent writes at one place leave something to
// decide. Objects always do.
func differ(u, v crdt.Write) bool {
	switch {
	case u.Action == v.Action && (u.Action == crdt.ActionDelete || u.Action == crdt.ActionIncrement):
		return false
	case u.Action == crdt.ActionSet && v.Action == crdt.ActionSet:
		return !alike(u.Value, v.Value)
	}
	return true
}

// alike reports whether JavaScript shows two scalars as the same.
func alike(u, v crdt.Value) bool {
	if isNumber(u) && isNumber(v) {
		return sameNumber(u, v)
	}
	return u.Equal(v)
}

func isNumber(v crdt.Value) bool {
	return v.Code() == crdt.ValueInt || v.Code() == crdt.ValueUint || v.Code() == crdt.ValueFloat64
}

// sameNumber compares exactly: 2^53+1 isn't 2^53. NaN is the same as NaN.
func sameNumber(u, v crdt.Value) bool {
	un, um, uok := whole(u)
	vn, vm, vok := whole(v)
	if uok || vok {
		return uok == vok && un == vn && um == vm
	}
	uf, vf := u.Float64(), v.Float64()
	return uf == vf || math.IsNaN(uf) && math.IsNaN(vf)
}

// whole takes a number apart into sign and size, if it is a whole one of less
// than 2^64.
func whole(v crdt.Value) (negative bool, size uint64, ok bool) {
	switch v.Code() {
	case crdt.ValueUint:
		return false, v.Uint(), true
	case crdt.ValueInt:
		if n := v.Int(); n < 0 {
			return true, -uint64(n), true
		}
		return false, uint64(v.Int()), true
	}
	f := v.Float64()
	if f != math.Trunc(f) || math.Abs(f) >= 1<<64 {
		return false, 0, false
	}
	return f < 0, uint64(math.Abs(f)), true
}
