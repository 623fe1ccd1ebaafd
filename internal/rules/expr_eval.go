package rules

// Holds reports whether a condition is met by the values that read returns for
// paths: they need not all be of one state of a document.
//
// A place that isn't there equals nothing, is neither more nor less than
// anything, and is in no list; != and not in are the opposites of == and in.
// Values of different types are different and have no order.
func (e *Expr) Holds(read func(path string) Value) bool {
	switch e.op {
	case opOr, opAnd:
		for _, arg := range e.args {
			if arg.Holds(read) == (e.op == opOr) {
				return e.op == opOr
			}
		}
		return e.op == opAnd
	case opNot:
		return !e.args[0].Holds(read)
	}
	v := read(e.path)
	switch e.op {
	case opExists:
		return v.Exists()
	case opEqual, opIn:
		return e.has(v, read)
	case opDiffers, opNotIn:
		return !e.has(v, read)
	}
	order, ok := v.compare(e.comparand(read))
	if !ok {
		return false
	}
	switch e.op {
	case opLess:
		return order < 0
	case opAtMost:
		return order <= 0
	case opMore:
		return order > 0
	}
	return order >= 0
}

// comparand returns what a place is compared to by a sign.
func (e *Expr) comparand(read func(path string) Value) Value {
	if e.other != "" {
		return read(e.other)
	}
	return e.values[0]
}

func (e *Expr) has(v Value, read func(path string) Value) bool {
	if e.other != "" {
		order, ok := v.compare(read(e.other))
		return ok && order == 0
	}
	for _, l := range e.values {
		if order, ok := v.compare(l); ok && order == 0 {
			return true
		}
	}
	return false
}
