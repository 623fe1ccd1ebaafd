package crdt

// documentOpColumns names the op columns of a document that changes don't hold.
var documentOpColumns = [...]columnName{
	colIDActor - numOpColumns:     {0x21, "id actor"},
	colIDCounter - numOpColumns:   {0x23, "id counter"},
	colSuccCount - numOpColumns:   {0x80, "succ count"},
	colSuccActor - numOpColumns:   {0x81, "succ actor"},
	colSuccCounter - numOpColumns: {0x83, "succ counter"},
}

// rowColumns lists the op columns of a document, ascending by specification.
var rowColumns = [...]opColumn{
	colObjActor, colObjCounter, colKeyActor, colKeyCounter, colKeyString, colIDActor, colIDCounter, colInsert,
	colAction, colValueMeta, colValue, colSuccCount, colSuccActor, colSuccCounter, colExpand, colMarkName,
}

const numColumns = numOpColumns + len(documentOpColumns)

// rowData holds the op columns of a document, inflated. Those of preds stay empty.
type rowData [numColumns][]byte

func (c opColumn) spec() uint32 {
	if c < numOpColumns {
		return opColumns[c].spec
	}
	return documentOpColumns[c-numOpColumns].spec
}

// changeColumn is the position of a change column of a document, ascending by
// specification.
type changeColumn int

const (
	colChangeActor changeColumn = iota
	colChangeSeq
	colChangeMaxOp
	colChangeTime
	colChangeMessage
	colChangeDepCount
	colChangeDeps
	colChangeExtraMeta
	colChangeExtra

	numChangeColumns = iota
)

var changeColumns = [numChangeColumns]columnName{
	colChangeActor:     {0x01, "actor"},
	colChangeSeq:       {0x03, "seq"},
	colChangeMaxOp:     {0x13, "maxOp"},
	colChangeTime:      {0x23, "time"},
	colChangeMessage:   {0x35, "message"},
	colChangeDepCount:  {0x40, "dependency count"},
	colChangeDeps:      {0x43, "dependency"},
	colChangeExtraMeta: {0x56, "extra metadata"},
	colChangeExtra:     {0x57, "extra"},
}

// changeData holds the change columns of a document, inflated.
type changeData [numChangeColumns][]byte

func (c changeColumn) String() string { return changeColumns[c].name }

func (c changeColumn) spec() uint32 { return changeColumns[c].spec }

// storedColumn is where a column of a document lies within its block.
type storedColumn struct {
	at, length uint64
	deflated   bool
}

// readStoredColumns reads the metadata of a block of columns: stored[i] becomes
// the place of the column with specification spec(i), for the len(stored)
// columns that are known. Unknown columns only take up room in the block,
// whose size is returned.
func readStoredColumns(r *fieldReader, stored []storedColumn, spec func(i int) uint32) (size uint64) {
	count := r.uleb("column count")
	if count > uint64(len(r.rest)/2) {
		r.fail("column count", errCutOff)
	}
	known, last := 0, uint64(0)
	for i := uint64(0); i < count && r.err == nil; i++ {
		s, length := r.uleb("column specification"), r.uleb("column length")
		masked := s &^ deflateBit
		switch {
		case r.err != nil:
			return 0
		case s > 1<<32-1:
			r.err = refuse(ReasonMalformed, "column specification is above 2^32-1")
		case i > 0 && masked <= last:
			r.err = refuse(ReasonNotCanonical, "column %#x is repeated or out of order", s)
		case length > maxChunkBytes:
			r.fail("column length", errCutOff)
		}
		for last = masked; known < len(stored) && uint64(spec(known)) < masked; {
			known++
		}
		if known < len(stored) && uint64(spec(known)) == masked {
			stored[known] = storedColumn{at: size, length: length, deflated: s&deflateBit != 0}
		}
		size += length
	}
	return size
}

// columnInflater inflates the columns of one document, which share one limit.
type columnInflater struct {
	left int // bytes
	err  error
}

// column returns the contents of a column in block. They alias the block unless
// the column is deflated.
func (f *columnInflater) column(block []byte, c storedColumn) []byte {
	if f.err != nil || c.length == 0 {
		return nil
	}
	data := block[c.at : c.at+c.length : c.at+c.length]
	if c.deflated {
		if data, f.err = inflateColumn(data, f.left); f.err != nil {
			return nil
		}
	}
	if len(data) > f.left {
		f.err = refuse(ReasonLimit, "columns are larger than the allowed chunk")
		return nil
	}
	f.left -= len(data)
	return data
}
