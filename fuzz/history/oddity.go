package history

import "strings"

// Oddity is a set of things that a history may hold: legal, but not what the
// interface of a client writes.
type Oddity uint32

// Oddities, each with what is odd.
const (
	OddPreds        Oddity = 1 << iota // some of a place's ops as preds, visible or not
	OddIncrement                       // inc over what is no counter, or over nothing
	OddOperand                         // inc by a uint, or past the range of a counter
	OddPlace                           // places whose values are all hidden
	OddScalarInText                    // a scalar of any type as an element of a text
	OddObjectInText                    // a list or a text as an element of a text
	OddMark                            // a mark begin without an end
	OddChar                            // an empty or a long string as an element of a text
	OddValue                           // unassigned value types, counters at the ends of their range
	OddGap                             // startOp higher than it needs to be
	OddEmpty                           // a change without ops
	OddChildFirst                      // ops inside an object that a later op of the change makes
	OddDeps                            // dependencies that others depend on
	OddDepsOrder                       // dependencies in any order
	OddMeta                            // messages and times
	OddExtra                           // extra bytes
)

var oddityNames = [...]string{
	"preds",
	"increment",
	"operand",
	"place",
	"scalarInText",
	"objectInText",
	"mark",
	"char",
	"value",
	"gap",
	"empty",
	"childFirst",
	"deps",
	"depsOrder",
	"meta",
	"extra",
}

// String lists the names of the set.
func (o Oddity) String() string {
	names := []string{}
	for i, name := range oddityNames {
		if o&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}
