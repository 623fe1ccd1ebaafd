package conflict

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"sort"
	"testing"
	"time"

	"concord/crdt"
	"concord/fuzz/ledger"
	"concord/internal/id"
	"concord/store"
	"concord/sync/hub"
)

// memory is a store of records in memory.
type memory map[store.Table][]store.Record // ascending by key

func (m memory) find(t store.Table, key []byte) (int, bool) {
	return sort.Find(len(m[t]), func(i int) int { return bytes.Compare(key, m[t][i].Key) })
}

func (m memory) put(records []store.Record) {
	for _, r := range records {
		if r.Next {
			r.Key = binary.BigEndian.AppendUint64(nil, uint64(len(m[r.Table])))
		}
		i, ok := m.find(r.Table, r.Key)
		switch {
		case ok && r.Value == nil:
			m[r.Table] = slices.Delete(m[r.Table], i, i+1)
		case ok:
			m[r.Table][i] = r
		case r.Value != nil:
			m[r.Table] = slices.Insert(m[r.Table], i, r)
		}
	}
}

func (m memory) Get(company string, t store.Table, key []byte) ([]byte, bool, error) {
	if i, ok := m.find(t, key); ok {
		return bytes.Clone(m[t][i].Value), true, nil
	}
	return nil, false, nil
}

func (m memory) Scan(company string, t store.Table, r store.Range, fn func(key, value []byte) error) error {
	rows := slices.Clone(m[t])
	if r.Reverse {
		slices.Reverse(rows)
	}
	for _, row := range rows {
		if !bytes.HasPrefix(row.Key, r.Prefix) || r.From != nil && bytes.Compare(row.Key, r.From) < 0 ||
			r.To != nil && bytes.Compare(row.Key, r.To) >= 0 {
			continue
		}
		if err := fn(bytes.Clone(row.Key), bytes.Clone(row.Value)); errors.Is(err, store.ErrStop) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// device is a document that a ledger watches, as a hub would have it.
type device struct {
	t       testing.TB
	key     store.DocKey
	store   memory
	ledger  *Ledger
	graph   *crdt.Graph
	content *crdt.OpSet
	watcher hub.Watcher
	changes []*crdt.Change
	now     time.Time
	told    *ledger.Told
	read    int // events that told has taken
}

func newDevice(t testing.TB, doc id.DocumentID) *device {
	t.Helper()
	told, err := ledger.NewTold()
	if err != nil {
		t.Fatal(err)
	}
	d := &device{
		told: told,
		t:    t, key: store.DocKey{Company: "acme", Document: doc}, store: memory{}, graph: crdt.NewGraph(),
		content: crdt.NewOpSet(), now: time.Unix(1_700_000_000, 0).UTC(),
	}
	d.ledger = New(d.store)
	d.watch()
	return d
}

// watch begins anew, as after a restart.
func (d *device) watch() {
	d.t.Helper()
	var err error
	if d.watcher, err = d.ledger.Watch(d.key, d); err != nil {
		d.t.Fatal(err)
	}
}

func (d *device) receivedAt(i int) time.Time { return d.now.Add(time.Duration(i) * time.Second) }

// userOf is who brings a change: the actor decides.
func userOf(c *crdt.Change) (user, device string) {
	return "user " + c.Actor.String(), "device " + c.Actor.String()
}

func (d *device) Attribution(i int) (user, dev string, received time.Time, err error) {
	user, dev = userOf(d.changes[i])
	return user, dev, d.receivedAt(i), nil
}

func (d *device) ClaimedTime(i int) (int64, error) { return d.changes[i].Time, nil }

// apply takes a change; what is to be stored, is at once if commit is set.
func (d *device) apply(c *crdt.Change) {
	d.t.Helper()
	current := slices.Equal(sorted(c.Deps), d.graph.StagedHeads())
	if err := d.content.Apply(c, nil); err != nil {
		d.t.Fatal(err)
	}
	i, err := d.graph.Append(c.Header())
	if err != nil {
		d.t.Fatal(err)
	}
	d.changes = append(d.changes, c)
	user, device := userOf(c)
	err = d.watcher.Applied(hub.Applied{
		Key: d.key, Type: "invoice", Change: c, Index: i, Graph: d.graph, Content: d.content, Current: current,
		User: user, Device: device, Received: d.receivedAt(i),
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

func sorted(hs []crdt.Hash) []crdt.Hash {
	hs = slices.Clone(hs)
	crdt.SortHashes(hs)
	return hs
}

func (d *device) commit() {
	d.t.Helper()
	d.store.put(d.watcher.Records())
	for _, r := range d.store[store.TableEvents][d.read:] {
		if err := d.told.Take(r.Value); err != nil {
			d.t.Fatal(err)
		}
		d.read++
	}
	d.graph.Publish(d.graph.Staged())
}
