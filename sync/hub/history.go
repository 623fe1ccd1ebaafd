package hub

import (
	"errors"
	"fmt"
	"slices"

	"concord/crdt"
	"concord/store"
	"concord/sync/protocol"
)

// maxOlder is how much of the changes in its snapshot a document in use keeps.
const maxOlder = 16 << 20

// olderChanges holds changes that were taken out of a snapshot.
type olderChanges struct {
	indexes []int // ascending
	ends    []int // of the changes, in bytes
	bytes   []byte
}

func (o *olderChanges) add(i int, chunk []byte) {
	o.bytes = append(o.bytes, chunk...)
	o.indexes, o.ends = append(o.indexes, i), append(o.ends, len(o.bytes))
}

// get returns a change's bytes, nil when they aren't held.
func (o *olderChanges) get(i int) []byte {
	n, ok := slices.BinarySearch(o.indexes, i)
	if !ok {
		return nil
	}
	start := 0
	if n > 0 {
		start = o.ends[n-1]
	}
	return o.bytes[start:o.ends[n]:o.ends[n]]
}

func (o *olderChanges) size() int { return cap(o.bytes) + 8*(cap(o.indexes)+cap(o.ends)) }

// changeBytes returns a published change for a message. The slice stays valid.
// A change in the snapshot has to be prepared.
func (d *document) changeBytes(i int) ([]byte, error) {
	if b := d.atHand(i); b != nil {
		return b, nil
	}
	b, err := d.hub.store.Change(d.key, uint64(i))
	if errors.Is(err, store.ErrInSnapshot) {
		return nil, protocol.ErrLater
	}
	if err != nil {
		return nil, fmt.Errorf("read change %d of document %s: %w", i, d.key.Document, err)
	}
	return b, nil
}

func (d *document) atHand(i int) []byte {
	if b := d.working().recent.get(i); b != nil {
		return b
	}
	return d.work.older.get(i)
}

// unpreparedError says that a message needs changes out of the snapshot.
type unpreparedError struct {
	changes []int // in the order of their need
	all     bool  // the snapshot is so small that all of its changes may be kept
}

func (*unpreparedError) Error() string { return "changes have to be taken out of the snapshot first" }

// prepare looks whether the first of changes can be read. Taking it out of the
// snapshot is for later, without the document's lock.
func (d *document) prepare(changes []int) error {
	first := changes[0]
	if d.atHand(first) != nil {
		return nil
	}
	info, _, err := d.hub.store.Document(d.key)
	if err != nil {
		return err
	}
	d.note(info)
	if uint64(first) >= info.SnapshotChanges {
		return nil
	}
	return &unpreparedError{changes, info.Bytes-info.TailBytes <= maxOlder/4}
}

var errEnough = errors.New("all that was wanted is found")

// takeOlder takes changes out of the snapshot. It is called without the document's lock.
func (d *document) takeOlder(want *unpreparedError) (*olderChanges, error) {
	h := d.hub
	size := int64(buildBytes / 4)
	if err := h.building.Acquire(h.ctx, size); err != nil {
		return nil, err
	}
	defer h.building.Release(size)
	var covered uint64
	b, err := d.snapshotChunk(&covered)
	if err != nil {
		return nil, err
	}
	older, err := findOlder(b, want.changes, want.all)
	if err != nil {
		return nil, fmt.Errorf("read snapshot of document %s: %w: %w", d.key.Document, store.ErrCorrupt, err)
	}
	h.stats.decodes.Add(1)
	return &older, nil
}

// findOlder reads a document chunk and keeps the wanted changes, as many as
// there's room for, but in any case the first.
func findOlder(b []byte, want []int, all bool) (older olderChanges, err error) {
	chunk, _, err := crdt.NextChunk(b)
	if err != nil {
		return older, err
	}
	first := want[0]
	want = slices.Clone(want)
	slices.Sort(want)
	_, err = chunk.ParseDocument(storedLimits, func(c crdt.DocumentChange) error {
		for len(want) > 0 && want[0] < c.Row {
			want = want[1:]
		}
		wanted := len(want) > 0 && want[0] == c.Row
		switch {
		case all, wanted && (c.Row == first || len(older.bytes)+len(c.Raw) <= maxOlder):
			older.add(c.Row, c.Raw)
		case len(want) == 0:
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	if err == nil && older.get(first) == nil {
		err = fmt.Errorf("change %d is missing", first)
	}
	return older, err
}
