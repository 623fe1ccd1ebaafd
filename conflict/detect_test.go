package conflict

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"concord/crdt"
	"concord/fuzz/history"
	"concord/fuzz/ledger"
	"concord/internal/id"
	"concord/store"
)

// newRand returns a source of randomness. Its seed is printed when the test
// fails; CONFLICT_SEED=seed repeats the run.
func newRand(tb testing.TB) *rand.Rand {
	tb.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("CONFLICT_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			tb.Fatal(err)
		}
	}
	tb.Logf("CONFLICT_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// stored returns the records that a store holds of a document, in the oracle's form.
func (m memory) stored(t testing.TB, doc id.DocumentID) (records []ledger.Record) {
	t.Helper()
	for _, row := range m[store.TableConflicts] {
		if len(row.Key) != recordSize {
			continue
		}
		s, h, err := decodeRecord(row.Key, row.Value)
		if err != nil {
			t.Fatal(err)
		}
		if !s.has(flagReal) {
			continue
		}
		r := ledger.Record{
			ID: h.ID.String(), Kind: string(h.Kind), Status: string(h.Status), Object: h.Object, Field: h.Field, Root: h.Root,
		}
		if h.Key[0] == 'e' {
			r.Elem = h.Key[1:]
		} else {
			r.Key = h.Key[1:]
		}
		if h.Before != nil {
			r.Before = h.Before.Op
		}
		if h.Winner != nil {
			r.Winner = h.Winner.Op
		}
		if h.Closer != nil {
			r.Closer = h.Closer.Op
			if h.Status == Resolved {
				r.Closer = h.Closer.Change
			}
		}
		r.Values = m.values(t, h)
		if len(r.Values) != h.Values {
			t.Errorf("conflict %s has %d values, says %d", h.ID, len(r.Values), h.Values)
		}
		if _, ok := m.find(store.TableConflictTimes, timeKey(h.Opened, doc, h.ID)); !ok {
			t.Errorf("conflict %s isn't in the index of times", h.ID)
		}
		records = append(records, r)
	}
	if n := len(m[store.TableConflictTimes]); n != 2*len(records) {
		t.Errorf("%d records in the index of times, %d conflicts", n, len(records))
	}
	return records
}

func (m memory) values(t testing.TB, h head) (values []ledger.Value) {
	t.Helper()
	c, err := New(m).Get(company, h.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range c.Sides {
		if v.Action != "set" && v.Action != "inc" && v.Action != "mark" {
			v.Value = nil
		}
		values = append(values, ledger.Value{Op: v.Op, Action: v.Action, Value: v.Value})
	}
	return values
}

func TestCases(t *testing.T) {
	cases, err := ledger.Cases()
	if err != nil {
		t.Fatal(err)
	}
	rng := newRand(t)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			if diff := ledger.Compare(modelRecords(ledger.Document, c.Changes), c.Records); diff != "" {
				t.Errorf("model: %s", diff)
			}
			for range 20 {
				d := newDevice(t, ledger.Document)
				for _, change := range anyOrder(rng, c.Changes) {
					d.apply(change)
				}
				d.commit()
				if diff := ledger.Compare(d.store.stored(t, ledger.Document), c.Records); diff != "" {
					t.Errorf("ledger: %s", diff)
				}
			}
		})
	}
}

// anyOrder returns the changes in a random order in which dependencies come
// first; often changes of one actor follow each other.
func anyOrder(rng *rand.Rand, changes []*crdt.Change) []*crdt.Change {
	known := make(map[crdt.Hash]bool)
	left := slices.Clone(changes)
	batches := rng.IntN(2) == 0
	var order []*crdt.Change
	for len(left) > 0 {
		i := rng.IntN(len(left))
		if n := len(order); batches && n > 0 && rng.IntN(4) > 0 {
			i = max(0, slices.IndexFunc(left, func(c *crdt.Change) bool { return c.Actor == order[n-1].Actor }))
		}
		for slices.ContainsFunc(left[i].Deps, func(d crdt.Hash) bool { return !known[d] }) {
			i = (i + 1) % len(left)
		}
		known[left[i].Hash] = true
		order = append(order, left[i])
		left = slices.Delete(left, i, i+1)
	}
	return order
}

// resolving gives some changes messages that resolve conflicts, as they were
// before the change or will be.
func resolving(tb testing.TB, rng *rand.Rand, doc id.DocumentID, changes []*crdt.Change) []*crdt.Change {
	var all []string
	for _, n := range []int{len(changes) / 2, len(changes)} {
		for _, r := range modelRecords(doc, changes[:n]) {
			all = append(all, r.ID)
		}
	}
	if len(all) == 0 {
		return changes
	}
	slices.Sort(all) // the model has no order
	renamed := map[crdt.Hash]crdt.Hash{}
	var again []*crdt.Change
	for _, c := range changes {
		meta := c.Meta()
		meta.Deps = slices.Clone(meta.Deps)
		for i, d := range meta.Deps {
			meta.Deps[i] = renamed[d]
		}
		if rng.IntN(4) == 0 {
			meta.Message = resolvePrefix + all[rng.IntN(len(all))] + ": so it is"
		}
		n, err := crdt.EncodeChange(meta, slices.Collect(c.Ops()))
		if err != nil {
			tb.Fatal(err)
		}
		renamed[c.Hash] = n.Hash
		again = append(again, n)
	}
	return again
}

// histories is how many random histories are compared; CONFLICT_HISTORIES changes it.
func histories(t *testing.T) int {
	n := 600
	if text := os.Getenv("CONFLICT_HISTORIES"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// whoWrote returns who brought the change of an op.
func whoWrote(_, op string) string {
	if _, actor, ok := strings.Cut(op, "@"); ok {
		return "user " + actor
	}
	return ""
}

// TestAgainstModel compares the ledger, and what the events tell of it, with the
// model after each change of random histories, which come in random orders.
func TestAgainstModel(t *testing.T) {
	rng := newRand(t)
	doc := ledger.Document
	compared, records := 0, 0
	for range histories(t) {
		h, err := history.Random(rng, history.Shape{Ops: 5 + rng.IntN(45)})
		if err != nil {
			t.Fatal(err)
		}
		changes := h.Changes
		if rng.IntN(2) == 0 {
			changes = resolving(t, rng, doc, changes)
		}
		var last []ledger.Record
		for range 3 {
			order := anyOrder(rng, changes)
			d := newDevice(t, doc)
			d.ledger.many = rng.IntN(2) * rng.IntN(4)
			for i, c := range order {
				d.apply(c)
				if rng.IntN(3) == 0 {
					d.commit()
					if rng.IntN(4) == 0 {
						d.watch()
					}
				}
				if rng.IntN(3) > 0 && i < len(order)-1 {
					continue
				}
				d.commit()
				want := modelRecords(doc, order[:i+1])
				if diff := ledger.Compare(d.store.stored(t, doc), want); diff != "" {
					t.Fatalf("after %d of %d changes: %s\n%s", i+1, len(order), diff, &history.History{Changes: order[:i+1]})
				}
				if diff := d.told.Compare(want, whoWrote); diff != "" {
					t.Fatalf("events after %d of %d changes: %s\n%s", i+1, len(order), diff, &history.History{Changes: order[:i+1]})
				}
				compared++
				records += len(want)
				last = want
			}
			_ = last
		}
	}
	t.Logf("%d states with %d records compared", compared, records)
}
