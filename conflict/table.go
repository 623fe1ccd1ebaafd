package conflict

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"concord/crdt"
	"concord/internal/id"
	"concord/store"
)

// Keys of the tables, each after the company:
//
//	conflicts        16B document, 16B conflict → record, see state
//	conflict-values  16B document, 16B conflict, 4B counter, actor → value, if it isn't in the record
//	conflict-times   8B milliseconds since 1970 when it was opened, 16B document, 16B conflict → nothing
//	                 8B beginning of the conflict with the first bit set, 16B document, 16B conflict → nothing
//	conflict-notes   16B document, 16B conflict, 8B milliseconds, 8B random → comment
//	                 16B document, 16B conflict, 8B zero → assignee
const (
	documentSize = len(id.DocumentID{})
	conflictSize = len(ID{})
	recordSize   = documentSize + conflictSize
	timeSize     = 8
	indexSize    = timeSize + recordSize
)

func recordKey(doc id.DocumentID, x ID) []byte {
	return append(append(make([]byte, 0, recordSize+32), doc[:]...), x[:]...)
}

// splitKey reads the document and the conflict that a key begins with.
func splitKey(key []byte) (doc id.DocumentID, x ID) {
	copy(doc[:], key)
	copy(x[:], key[documentSize:])
	return doc, x
}

func valueKey(doc id.DocumentID, x ID, op crdt.OpID) []byte {
	return appendActor(binary.BigEndian.AppendUint32(recordKey(doc, x), op.Counter), op.Actor)
}

// longActor is from which length on a key has a hash of an actor, and one byte
// more than this.
const longActor = 512

func appendActor(key []byte, actor crdt.ActorID) []byte {
	if len(actor) <= longActor {
		return append(key, actor...)
	}
	sum := sha256.Sum256([]byte(actor))
	key = append(key, actor[:longActor-len(sum)]...)
	return append(append(key, sum[:]...), 0)
}

func timeKey(t time.Time, doc id.DocumentID, x ID) []byte { return indexKey(timeNumber(t), doc, x) }

func indexKey(n uint64, doc id.DocumentID, x ID) []byte {
	key := binary.BigEndian.AppendUint64(make([]byte, 0, indexSize), n)
	return append(append(key, doc[:]...), x[:]...)
}

// timeNumber is a time in a key. What is before 1970 sorts as 1970.
func timeNumber(t time.Time) uint64 { return uint64(max(0, t.UnixMilli())) }

// idNumber is what the keys begin with by which a conflict is found whose
// document is unknown. They come after all times.
func idNumber(x ID) uint64 { return binary.BigEndian.Uint64(x[:]) | idBit }

const idBit = 1 << 63

// head is the part of a stored record that isn't kept in memory.
type head struct {
	Record
	Next   *resolution `json:"next,omitempty"` // the first write after it
	By     *resolution `json:"by,omitempty"`   // what resolved it
	Tops   []string    `json:"tops,omitempty"` // the last writes of the episode; nil if there are too many
	Update bool        `json:"update,omitempty"`
	Sides  []Value     `json:"sides,omitempty"` // the first values; further ones have records of their own
}

// maxSides is how many values are kept within a record: most have no more, and a
// page of the file is spared.
const maxSides = 4

// resolution is a change that closes a record.
type resolution struct {
	Closer
	Received time.Time `json:"received"`
	Start    uint32    `json:"start"` // its first op
	Seq      uint32    `json:"seq"`
	Actor    []byte    `json:"actor"`
}

func encodeRecord(s *state, h *head) []byte {
	var scratch [256]byte
	compact := s.append(scratch[:0])
	text := mustJSON(h)
	b := make([]byte, 0, 1+binary.MaxVarintLen64+len(compact)+len(text))
	b = binary.AppendUvarint(append(b, recordVersion), uint64(len(compact)))
	return append(append(b, compact...), text...)
}

// mustJSON encodes what can't fail: structs of ours, with strings, numbers and
// JSON that was made here.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func decodeRecord(key, b []byte) (s state, h head, err error) {
	s, text, err := splitRecord(b)
	if err != nil {
		return state{}, head{}, err
	}
	if err := json.Unmarshal(text, &h); err != nil {
		return state{}, head{}, fmt.Errorf("%w: %v", errMalformed, err)
	}
	h.Document, h.ID = splitKey(key)
	return s, h, nil
}

// indexRecords lists a record by its time and by its ID, or removes it from
// these lists.
func indexRecords(h *head, listed bool) []store.Record {
	r := []store.Record{
		{Table: store.TableConflictTimes, Key: timeKey(h.Opened, h.Document, h.ID)},
		{Table: store.TableConflictTimes, Key: indexKey(idNumber(h.ID), h.Document, h.ID)},
	}
	if listed {
		r[0].Value, r[1].Value = []byte{}, []byte{}
	}
	return r
}

func valueRecord(doc id.DocumentID, x ID, op crdt.OpID, v Value) store.Record {
	return store.Record{Table: store.TableConflictValues, Key: valueKey(doc, x, op), Value: mustJSON(v)}
}

// Insert returns what is to be stored for a record that isn't the ledger's own:
// a proposal. Ops of its values are texts COUNTER@ACTOR and differ. The error is
// about what the caller made: ops, JSON or times that can't be written.
func Insert(r Record, sides []Value) ([]store.Record, error) {
	r.Values = len(sides)
	h := head{Record: r}
	if _, err := json.Marshal([]any{r, sides}); err != nil {
		return nil, fmt.Errorf("insert conflict %s: %w", r.ID, err)
	}
	records := append(indexRecords(&h, true), Replace(r))
	for _, v := range sides {
		op, err := parseOp(v.Op)
		if err != nil {
			return nil, err
		}
		records = append(records, valueRecord(r.Document, r.ID, op, v))
	}
	return records, nil
}

// Replace returns what is to be stored for a proposal whose values stay, and
// that was opened at the same time.
func Replace(r Record) store.Record {
	return store.Record{
		Table: store.TableConflicts, Key: recordKey(r.Document, r.ID),
		Value: encodeRecord(&state{flags: flagReal | flagOther}, &head{Record: r}),
	}
}
