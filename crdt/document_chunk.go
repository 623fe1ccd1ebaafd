package crdt

import (
	"bytes"
	"crypto/sha256"
	"errors"
)

// DocumentChunk is a document as one chunk holds it: all changes, and all ops in
// the order of the document. Its slices must not be modified; they alias the
// chunk's bytes as far as these aren't deflated.
type DocumentChunk struct {
	Actors     []ActorID // ascending
	Heads      []Hash    // ascending
	NumChanges int
	NumRows    int // ops, without deletions

	limits   Limits
	changes  changeData
	rows     rowData
	numSuccs int
}

// DocumentChange is one change as it passes by while chunks are read. Everything
// in it but the hash and the actors is valid only during the call that it is
// passed to.
type DocumentChange struct {
	Header
	Row     int // position among the changes of its chunk, from 0
	Time    int64
	Message []byte // UTF-8; empty = none
	Extra   []byte
	Raw     []byte // the type 1 chunk

	deps []uint32 // Header.Deps as positions
}

// spareActors is how many actors without a change a document may name. Current
// clients name none.
const spareActors = 1024

// ParseDocument parses a chunk of type 0 completely: checksum, all columns in
// canonical form, order of the rows, references, and every change, which is
// rebuilt and hashed until the hashes prove the heads. Each change passes the
// same rules as in ParseChange. What only the graph knows is left to
// Graph.Append. The error is a *RefusalError, or what visit returned.
//
// visit may be nil. It is called with each change, dependencies first, while
// the proof is still under way: when ParseDocument fails, what visit has been
// told is void.
func (c Chunk) ParseDocument(lim Limits, visit func(DocumentChange) error) (*DocumentChunk, error) {
	d, err := c.openDocument(lim)
	if err != nil {
		return nil, err
	}
	if err := d.rebuild(nil, visit); err != nil {
		return nil, err
	}
	return d, nil
}

// openDocument reads a document's fields and inflates its columns. It checks the
// checksum and the limits, and nothing inside the columns but their row counts.
func (c Chunk) openDocument(lim Limits) (*DocumentChunk, error) {
	d, err := c.readDocument(lim, true)
	if err != nil {
		return nil, err
	}
	if d.NumRows, err = countRows(d.rows[colIDActor], d.limits.Rows); err != nil {
		return nil, countError("rows: %v", err)
	}
	if most := uint64(d.NumChanges) * uint64(d.limits.Ops); uint64(d.NumRows) > most {
		return nil, refuse(ReasonLimit, "%d rows of %d changes, allowed are %d in a change", d.NumRows, d.NumChanges, d.limits.Ops)
	}
	if d.numSuccs, err = sumRows(d.rows[colSuccCount], predsPerOp*d.limits.Rows); err != nil {
		return nil, countError("successors: %v", err)
	}
	return d, nil
}

// readDocument is openDocument without what counts the rows; without their
// columns, too, if rows isn't set.
func (c Chunk) readDocument(lim Limits, rows bool) (*DocumentChunk, error) {
	lim = lim.withDefaults()
	switch {
	case c.Type != ChunkDocument:
		return nil, refuse(ReasonUnknownChunk, "chunk of type %d where a document is expected", c.Type)
	case len(c.Data) > lim.ChunkBytes:
		return nil, refuse(ReasonLimit, "chunk of %d bytes, allowed are %d", len(c.Data), lim.ChunkBytes)
	}
	hash := sha256.Sum256(c.Raw[hashedFrom:])
	if !bytes.Equal(hash[:4], c.Checksum[:]) {
		return nil, refuse(ReasonChecksum, "checksum is %x, data has %x", c.Checksum, hash[:4])
	}
	r := fieldReader{rest: c.Data}
	actors, numActors := skipActors(&r, "actors")
	heads, err := readHashes(&r, "heads", MaxHeads)
	if err != nil {
		return nil, err
	}
	d := &DocumentChunk{Heads: heads, limits: lim}
	if err := d.readColumns(&r, rows); err != nil {
		return nil, err
	}
	if len(r.rest) > 0 {
		for range heads {
			r.uleb("head index") // old clients write none; the heads themselves say more
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	if len(r.rest) > 0 {
		return nil, refuse(ReasonMalformed, "%d bytes after the document", len(r.rest))
	}
	if d.NumChanges, err = countRows(d.changes[colChangeActor], d.limits.Rows); err != nil {
		return nil, countError("changes: %v", err)
	}
	if most := uint64(d.NumChanges) + spareActors; numActors > most {
		return nil, refuse(ReasonLimit, "%d actors, allowed are %d", numActors, most)
	}
	d.Actors = splitActors(actors, numActors)
	return d, nil
}

// readColumns reads the metadata of both blocks of columns, the contents of that
// of the changes and, if asked for, of that of the rows.
func (d *DocumentChunk) readColumns(r *fieldReader, withRows bool) error {
	var changes [numChangeColumns]storedColumn
	var rows [len(rowColumns)]storedColumn
	changesSize := readStoredColumns(r, changes[:], func(i int) uint32 { return changeColumn(i).spec() })
	rowsSize := readStoredColumns(r, rows[:], func(i int) uint32 { return rowColumns[i].spec() })
	changeBlock := r.take("change columns", changesSize)
	rowBlock := r.take("op columns", rowsSize)
	if r.err != nil {
		return r.err
	}
	f := columnInflater{left: d.limits.ChunkBytes}
	for i, c := range changes {
		d.changes[i] = f.column(changeBlock, c)
	}
	for i, c := range rows {
		if !withRows {
			break
		}
		d.rows[rowColumns[i]] = f.column(rowBlock, c)
	}
	return f.err
}

func countError(what string, err error) error {
	var refusal *RefusalError
	if errors.As(err, &refusal) {
		return refusal
	}
	return refuse(ReasonMalformed, what, err)
}

// sumRows adds up an RLE column of numbers from its records, without reading
// row by row. It stops above limit.
func sumRows(b []byte, limit int) (int, error) {
	r := newRLEReader(b, kindUleb)
	sum := uint64(0)
	for len(r.rest) > 0 || r.left > 0 {
		ok, err := r.next()
		if err != nil {
			return 0, err
		}
		rows := uint64(1)
		if r.record != recordLiteral {
			rows += r.left
			r.left = 0
		}
		if !ok || r.num == 0 {
			continue
		}
		if rows > uint64(limit) || r.num > (uint64(limit)-sum)/rows {
			return 0, refuse(ReasonLimit, "more than %d", limit)
		}
		sum += rows * r.num
	}
	return int(sum), nil
}
