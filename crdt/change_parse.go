package crdt

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"unicode/utf8"
)

// parseChange parses a type 1 chunk whose checksum has been verified.
func parseChange(raw []byte, hash Hash, lim Limits) (*Change, error) {
	c, err := parseFields(raw, lim)
	if err != nil {
		return nil, err
	}
	c.Hash = hash
	if err := checkTime(c.Time); err != nil {
		return nil, err
	}
	if err := checkOps(c, lim); err != nil {
		return nil, withCost(err, opCost*c.NumOps)
	}
	return c, nil
}

// maxTime bounds a change's time on either side of the epoch. Documents store
// the difference from one change to the next in 63 bits and a sign; current
// automerge-js crashes on a change whose time doesn't fit.
const maxTime = 1<<62 - 1

func checkTime(t int64) error {
	if t > maxTime || t < -maxTime {
		return refuse(ReasonLimit, "time %d is beyond 2^62", t)
	}
	return nil
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
// number of ops.
func parseFields(raw []byte, lim Limits) (c *Change, err error) {
	_, n, err := readUleb(raw[hashedFrom+1:])
	if err != nil {
		return nil, refuse(ReasonMalformed, "chunk length: %v", err)
	}
	r := fieldReader{rest: raw[hashedFrom+1+n:]}
	c = &Change{raw: raw}
	if c.Deps, err = readHashes(&r, "dependencies", lim.Deps); err != nil {
		return nil, err
	}
	c.Actor = ActorID(r.bytes("actor"))
	c.Seq = r.counter("seq")
	c.StartOp = r.counter("startOp")
	c.Time = r.sleb("time")
	message := r.bytes("message")
	actors, others := skipActors(&r, "other actors")
	if r.err != nil {
		return nil, r.err
	}
	if !utf8.Valid(message) {
		return nil, refuse(ReasonMalformed, "message: %v", errNotUTF8)
	}
	c.Message = string(message)
	if c.columns, c.Extra, err = readColumnSet(r.rest, raw); err != nil {
		return nil, err
	}
	if c.NumOps, err = readNumOps(c, lim.Ops); err != nil {
		return nil, err
	}
	if most := maxOtherActors(c.NumOps, lim.Ops); others > most {
		return nil, refuse(ReasonLimit, "%d other actors, the ops can't use more than %d", others, most)
	}
	c.OtherActors = splitActors(actors, others)
	if _, found := slices.BinarySearch(c.OtherActors, c.Actor); found {
		return nil, refuse(ReasonNotCanonical, "author is listed among the other actors")
	}
	return c, nil
}

// readHashes reads a count and that many hashes, which may not pass limit.
func readHashes(r *fieldReader, what string, limit int) ([]Hash, error) {
	count := r.uleb(what)
	if r.err != nil {
		return nil, r.err
	}
	if count > uint64(len(r.rest)/len(Hash{})) {
		return nil, refuse(ReasonMalformed, "%d %s don't fit into %d bytes", count, what, len(r.rest))
	}
	if count > uint64(limit) {
		return nil, refuse(ReasonLimit, "%d %s, allowed are %d", count, what, limit)
	}
	if count == 0 {
		return nil, nil
	}
	hashes := make([]Hash, count)
	for i := range hashes {
		copy(hashes[i][:], r.take(what, uint64(len(Hash{}))))
	}
	return hashes, nil
}

// skipActors finds the end of a table of actors, which must ascend. Whether
// each is used shows when the ops are read.
func skipActors(r *fieldReader, what string) (table []byte, count uint64) {
	count = r.uleb(what)
	if count > uint64(len(r.rest)) {
		r.fail(what, errCutOff)
	}
	before := r.rest
	var last []byte
	for i := uint64(0); i < count && r.err == nil; i++ {
		actor := r.bytes(what)
		if r.err == nil && i > 0 && bytes.Compare(last, actor) >= 0 {
			r.err = refuse(ReasonNotCanonical, "%s aren't in ascending order", what)
		}
		last = actor
	}
	return before[:len(before)-len(r.rest)], count
}

// maxOtherActors is the most actors that ops can refer to: by object, by
// element and by preds, whose number is limited.
func maxOtherActors(ops, limit int) uint64 {
	if ops == 0 {
		return 0
	}
	return 2*uint64(ops) + predsPerOp*uint64(limit)
}

// splitActors builds the table that skipActors found, with one copy of its bytes.
func splitActors(table []byte, count uint64) []ActorID {
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

// withHash adds the hash to a refusal.
func withHash(err error, hash Hash) error {
	var refusal *RefusalError
	if errors.As(err, &refusal) {
		refusal.Hash = hash
	}
	return err
}
