package crdt

import (
	"errors"
	"fmt"
)

// opColumn is the position of an op column among those that a change may hold,
// ascending by column specification.
type opColumn int

const (
	colObjActor opColumn = iota
	colObjCounter
	colKeyActor
	colKeyCounter
	colKeyString
	colInsert
	colAction
	colValueMeta
	colValue
	colPredCount
	colPredActor
	colPredCounter
	colExpand
	colMarkName

	numOpColumns = iota
)

// Op columns that only documents hold. Successors stand there in the place of preds.
const (
	colIDActor opColumn = numOpColumns + iota
	colIDCounter
	colSuccCount
	colSuccActor
	colSuccCounter
)

// columnName is the specification, (id << 4) | type, and the name of a column.
type columnName struct {
	spec uint32
	name string
}

// opColumns names the op columns of a change.
var opColumns = [numOpColumns]columnName{
	colObjActor:    {0x01, "object actor"},
	colObjCounter:  {0x02, "object counter"},
	colKeyActor:    {0x11, "key actor"},
	colKeyCounter:  {0x13, "key counter"},
	colKeyString:   {0x15, "key string"},
	colInsert:      {0x34, "insert"},
	colAction:      {0x42, "action"},
	colValueMeta:   {0x56, "value metadata"},
	colValue:       {0x57, "value"},
	colPredCount:   {0x70, "pred count"},
	colPredActor:   {0x71, "pred actor"},
	colPredCounter: {0x73, "pred counter"},
	colExpand:      {0x94, "expand"},
	colMarkName:    {0xa5, "mark name"},
}

// String returns the column's name.
func (c opColumn) String() string {
	if c < numOpColumns {
		return opColumns[c].name
	}
	return documentOpColumns[c-numOpColumns].name
}

// deflateBit marks a deflated column; only documents may hold such.
const deflateBit = 8

// columnSet says where in a change's bytes each column is: column i lies
// between offsets i and i+1. A column that is not stored is empty.
type columnSet [numOpColumns + 1]uint32

func (s *columnSet) of(raw []byte, col opColumn) []byte {
	return raw[s[col]:s[col+1]:s[col+1]]
}

// readColumnSet reads the column metadata at the front of b, which is the rest
// of the chunk raw. Extra bytes follow the last column.
func readColumnSet(b, raw []byte) (set columnSet, extra []byte, err error) {
	count, n, err := readUleb(b)
	if err != nil {
		return set, nil, refuse(ReasonMalformed, "column count: %v", err)
	}
	b = b[n:]
	if count > uint64(len(b)/2) {
		return set, nil, refuse(ReasonMalformed, "%d columns don't fit into %d bytes", count, len(b))
	}
	if count > numOpColumns {
		return set, nil, refuse(ReasonNotCanonical, "%d columns, a change has at most %d", count, numOpColumns)
	}
	var lengths [numOpColumns]uint64
	col := opColumn(0)
	for range count {
		if col, b, err = readColumnLength(col, b, &lengths); err != nil {
			return set, nil, err
		}
	}
	at := uint64(len(raw) - len(b))
	for i, length := range lengths {
		set[i] = uint32(at)
		if length > uint64(len(raw))-at {
			return set, nil, refuse(ReasonMalformed, "%s column of %d bytes is cut off", opColumn(i), length)
		}
		at += length
	}
	set[numOpColumns] = uint32(at)
	return set, raw[at:], nil
}

// readColumnLength reads one (specification, length) pair, which must belong to
// column col or a later one, and returns the column after it.
func readColumnLength(col opColumn, b []byte, lengths *[numOpColumns]uint64) (opColumn, []byte, error) {
	spec, n, err := readUleb(b)
	if err != nil {
		return 0, nil, refuse(ReasonMalformed, "column specification: %v", err)
	}
	length, m, err := readUleb(b[n:])
	if err != nil {
		return 0, nil, refuse(ReasonMalformed, "column length: %v", err)
	}
	if spec > 1<<32-1 {
		return 0, nil, refuse(ReasonMalformed, "column specification is above 2^32-1")
	}
	if spec&deflateBit != 0 {
		return 0, nil, refuse(ReasonMalformed, "deflated column %#x in a change", spec)
	}
	if length == 0 {
		return 0, nil, refuse(ReasonNotCanonical, "empty column %#x", spec)
	}
	for ; col < numOpColumns && uint64(opColumns[col].spec) <= spec; col++ {
		if uint64(opColumns[col].spec) == spec {
			lengths[col] = length
			return col + 1, b[n+m:], nil
		}
	}
	return 0, nil, refuse(ReasonNotCanonical, "column %#x is unknown, repeated or out of order", spec)
}

// columnError turns the error of a column reader into a refusal.
func columnError(col fmt.Stringer, err error) *RefusalError {
	reason := ReasonMalformed
	var form nonCanonical
	if errors.As(err, &form) {
		reason = ReasonNotCanonical
	}
	return refuse(reason, "%s column: %v", col, err)
}

// countRows counts the rows of an RLE column of small numbers from its run
// lengths, without reading the values of runs. It stops above limit.
func countRows(b []byte, limit int) (int, error) {
	rows := uint64(0)
	for len(b) > 0 {
		n, size, err := readSleb(b)
		if err != nil {
			return 0, err
		}
		b = b[size:]
		run, values := uint64(n), 1
		switch {
		case n < 0:
			run = -uint64(n)
			if run > uint64(len(b)) {
				return 0, errColumnShort
			}
			values = int(run)
		case n == 0:
			if run, _, err = readUleb(b); err != nil {
				return 0, err
			}
		}
		if run > uint64(limit)-rows {
			return 0, refuse(ReasonLimit, "more than %d ops", limit)
		}
		rows += run
		for range values {
			if _, size, err = readUleb(b); err != nil {
				return 0, err
			}
			b = b[size:]
		}
	}
	return int(rows), nil
}
