package crdt

// docRow is one op in the order of a document: by object, then by key or list
// position, then by id (the insert op of an element first). Deletions have no
// row; they appear only as successors of the rows that they delete.
type docRow struct {
	obj, id lamport
	elem    lamport // of rows in lists and texts; 0 = list head, for inserts
	key     []byte  // of rows in maps
	isElem  bool    // elem is the key, not key
	insert  bool
	expand  bool
	hasMark bool
	action  Action
	value   Value
	mark    []byte    // name of a mark, if hasMark
	succs   []lamport // ascending
}

// changeRow is one change as the change columns of a document hold it.
type changeRow struct {
	actor   uint32 // index in the document's actor table
	seq     uint32
	maxOp   uint32
	time    int64
	message []byte
	deps    []uint32 // earlier rows, in the order of the change
	extra   []byte
}
