package crdt

import (
	"errors"
	"math"
	"strings"
	"unicode/utf8"
)

// parseChange parses a type 1 chunk whose checksum has been verified.
func parseChange(raw []byte, hash Hash, lim Limits) (*Change, error) {
	c, others, err := parseFields(raw, lim)
	if err != nil {
		return nil, err
	}
	c.Hash = hash
	if uint64(others) > uint64(2+predsPerOp)*uint64(lim.Ops) {
		return nil, refuse(ReasonLimit, "%d other actors", others)
	}
	if err := checkActors(c); err != nil {
		return nil, err
	}
	if err := checkOps(c, lim); err != nil {
		return nil, err
	}
	return c, nil
}

// fieldReader reads the fields before the columns one after another. The first
// error stays and makes all later reads return zero.
type fieldReader struct {
	rest []byte
	err  error
}

func (r *fieldReader) fail(field string, err error) {
	if r.err == nil {
		r.err = refuse(ReasonMalformed, "%s: %v", field, err)
	}
	r.rest = nil
}

func (r *fieldReader) uleb(field string) uint64 {
	v, n, err := readUleb(r.rest)
	if err != nil {
		r.fail(field, err)
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// counter reads a number from 1 to 2^32-1.
func (r *fieldReader) counter(field string) uint32 {
	v := r.uleb(field)
	if r.err == nil && v == 0 {
		r.err = refuse(ReasonMalformed, "%s is 0", field)
	}
	if r.err == nil && v > math.MaxUint32 {
		r.err = refuse(ReasonLimit, "%s is above 2^32-1", field)
	}
	return uint32(v)
}

func (r *fieldReader) sleb(field string) int64 {
	v, n, err := readSleb(r.rest)
	if err != nil {
		r.fail(field, err)
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// take reads n bytes, which alias the input.
func (r *fieldReader) take(field string, n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.fail(field, errCutOff)
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *fieldReader) bytes(field string) []byte { return r.take(field, r.uleb(field)) }

// parseFields reads everything but the columns' contents: of these, only the
// number of ops. others is the length of OtherActors.
func parseFields(raw []byte, lim Limits) (c *Change, others int, err error) {
	_, n, err := readUleb(raw[hashedFrom+1:])
	if err != nil {
		return nil, 0, refuse(ReasonMalformed, "chunk length: %v", err)
	}
	r := fieldReader{rest: raw[hashedFrom+1+n:]}
	c = &Change{raw: raw}
	if c.Deps, err = readDeps(&r, lim.Deps); err != nil {
		return nil, 0, err
	}
	c.Actor = ActorID(r.bytes("actor"))
	c.Seq = r.counter("seq")
	c.StartOp = r.counter("startOp")
	c.Time = r.sleb("time")
	message := r.bytes("message")
	table, others := skipActors(&r)
	if r.err != nil {
		return nil, 0, r.err
	}
	if !utf8.Valid(message) {
		return nil, 0, refuse(ReasonMalformed, "message: %v", errNotUTF8)
	}
	c.Message = string(message)
	if c.columns, c.Extra, err = readColumnSet(r.rest, raw); err != nil {
		return nil, 0, err
	}
	if c.NumOps, err = readNumOps(c, lim.Ops); err != nil {
		return nil, 0, err
	}
	c.OtherActors = splitActors(table, others)
	return c, others, nil
}

func readDeps(r *fieldReader, limit int) ([]Hash, error) {
	count := r.uleb("dependency count")
	if r.err != nil {
		return nil, r.err
	}
	if count > uint64(len(r.rest)/len(Hash{})) {
		return nil, refuse(ReasonMalformed, "%d dependencies don't fit into %d bytes", count, len(r.rest))
	}
	if count > uint64(limit) {
		return nil, refuse(ReasonLimit, "%d dependencies, allowed are %d", count, limit)
	}
	if count == 0 {
		return nil, nil
	}
	deps := make([]Hash, count)
	for i := range deps {
		copy(deps[i][:], r.take("dependency", uint64(len(Hash{}))))
	}
	return deps, nil
}

// skipActors finds the end of the table of other actors.
func skipActors(r *fieldReader) (table []byte, count int) {
	n := r.uleb("actor count")
	if n > uint64(len(r.rest)) {
		r.fail("actor count", errCutOff)
		return nil, 0
	}
	before := r.rest
	for range n {
		if r.bytes("other actor"); r.err != nil {
			return nil, 0
		}
	}
	return before[:len(before)-len(r.rest)], int(n)
}

// splitActors builds the table that skipActors found, with one copy of its bytes.
func splitActors(table []byte, count int) []ActorID {
	if count == 0 {
		return nil
	}
	actors := make([]ActorID, count)
	all, at := string(table), 0
	for i := range actors {
		length, n, _ := readUleb(table[at:])
		at += n
		actors[i] = ActorID(all[at : at+int(length)])
		at += int(length)
	}
	return actors
}

// readNumOps counts the ops and checks that their last counter is within range.
func readNumOps(c *Change, limit int) (int, error) {
	ops, err := countRows(c.columns.of(c.raw, colAction), limit)
	if err != nil {
		var refusal *RefusalError
		if errors.As(err, &refusal) {
			return 0, refusal
		}
		return 0, columnError(colAction, err)
	}
	if uint64(c.StartOp)+uint64(ops)-1 > math.MaxUint32 {
		return 0, refuse(ReasonLimit, "last op counter is above 2^32-1")
	}
	return ops, nil
}

// checkActors checks that the other actors ascend and leave out the author.
// Whether each is used shows when the ops are read.
func checkActors(c *Change) error {
	for i, a := range c.OtherActors {
		if a == c.Actor {
			return refuse(ReasonNotCanonical, "author is listed among the other actors")
		}
		if i > 0 && strings.Compare(string(c.OtherActors[i-1]), string(a)) >= 0 {
			return refuse(ReasonNotCanonical, "other actors aren't in ascending order")
		}
	}
	return nil
}

// withHash adds the hash to a refusal.
func withHash(err error, hash Hash) error {
	var refusal *RefusalError
	if errors.As(err, &refusal) {
		refusal.Hash = hash
	}
	return err
}
