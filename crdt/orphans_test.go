package crdt

import (
	"fmt"
	"slices"
	"testing"
)

func TestOrphanVector(t *testing.T) {
	var v struct {
		Changes                    []string
		Hashes                     []string
		Applied                    []int
		Missing                    []string
		AfterChange0, AfterChange3 struct{ Heads, Missing []string }
	}
	readJSON(t, "orphans.json", &v)
	g, o := NewGraph(), NewOrphans(OrphanLimits{})
	add := func(n int) {
		c, err := ParseChange(unhex(t, v.Changes[n]), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if err := appendAll(g, o, c); err != nil {
			t.Fatal(err)
		}
		g.Publish(g.Staged())
	}
	check := func(heads, missing []string) {
		t.Helper()
		if got := texts(g.Heads()); !slices.Equal(got, heads) {
			t.Fatalf("heads %v, want %v", got, heads)
		}
		if got := texts(o.Missing()); !slices.Equal(got, missing) {
			t.Fatalf("missing %v, want %v", got, missing)
		}
	}
	for _, n := range v.Applied {
		add(n)
	}
	check(nil, v.Missing)
	if o.Len() != 3 {
		t.Fatal(o.Len(), "orphans")
	}
	// The vector's heads also hold its base document, which shares nothing with these.
	add(0)
	check(v.AfterChange0.Heads[1:], []string{v.Hashes[3]})
	add(3)
	check(v.AfterChange3.Heads[1:], nil)
	if o.Len() != 0 || o.Bytes() != 0 {
		t.Fatal(o.Len(), "orphans,", o.Bytes(), "bytes")
	}
}

func texts(hs []Hash) (out []string) {
	for _, h := range hs {
		out = append(out, h.String())
	}
	return out
}

// orphanChange writes a change by its own actor with a message of n bytes.
func orphanChange(t testing.TB, label, n int, deps ...Hash) *Change {
	t.Helper()
	c, err := EncodeChange(ChangeMeta{
		Deps: deps, Actor: ActorID(fmt.Sprintf("%08d", label)), Seq: 1, StartOp: 9, Message: string(make([]byte, n)),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func labels(orphans []Orphan) (out []string) {
	for _, o := range orphans {
		out = append(out, string(o.Change.Actor))
	}
	return out
}

func TestReleaseInOrderOfArrival(t *testing.T) {
	o := NewOrphans(OrphanLimits{})
	x, y := numbered(1), numbered(2)
	both := orphanChange(t, 1, 0, x, y)
	late := orphanChange(t, 2, 0, y)
	early := orphanChange(t, 3, 0, x)
	o.Add(early, "p", []Hash{x})
	o.Add(both, "p", []Hash{x, y})
	o.Add(late, "q", []Hash{y})
	o.Add(late, "q", []Hash{y})
	if o.Len() != 3 || !o.Has(late.Hash) || !slices.Equal(o.Deps(both.Hash), both.Deps) || o.Deps(x) != nil {
		t.Fatal("pool is wrong")
	}
	if got := labels(o.Release(x)); !slices.Equal(got, []string{"00000003"}) {
		t.Fatal(got)
	}
	if got := labels(o.Release(y)); !slices.Equal(got, []string{"00000001", "00000002"}) {
		t.Fatal(got)
	}
	if o.Len() != 0 || o.Bytes() != 0 || len(o.waiting) != 0 || len(o.senders) != 0 {
		t.Fatal("something is left")
	}
}

func TestOrphanEviction(t *testing.T) {
	big := orphanChange(t, 1, 1000, numbered(1))
	for _, limits := range []OrphanLimits{{Bytes: 3*len(big.Bytes()) + 10}, {Changes: 3}} {
		o := NewOrphans(limits)
		small := orphanChange(t, 2, 1, numbered(1))
		o.Add(small, "honest", small.Deps)
		var evicted []Evicted
		for i := range 10 {
			c := orphanChange(t, 10+i, 1000, numbered(1))
			for _, e := range o.Add(c, "flood", c.Deps) {
				if e.Sender != "flood" {
					t.Fatalf("%+v lost a change", e)
				}
				evicted = append(evicted, e)
			}
		}
		if !o.Has(small.Hash) || len(evicted) != 8 && len(evicted) != 7 {
			t.Fatalf("%+v: %d evicted, %d left", limits, len(evicted), o.Len())
		}
		if limits.Bytes > 0 && o.Bytes() > limits.Bytes || limits.Changes > 0 && o.Len() > limits.Changes {
			t.Fatalf("%+v: %d orphans, %d bytes", limits, o.Len(), o.Bytes())
		}
		if e := o.Add(orphanChange(t, 99, 1<<20, numbered(1)), "huge", []Hash{numbered(1)}); limits.Bytes > 0 && (len(e) != 1 || e[0].Sender != "huge") {
			t.Fatalf("%+v: evicted %v for a change that never fits", limits, e)
		}
	}
}

// A big message must not stay in memory for a small orphan.
func TestOrphansOwnTheirBytes(t *testing.T) {
	c := orphanChange(t, 1, 10, numbered(1))
	message := slices.Clone(c.Bytes())
	parsed, err := ParseChange(message, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	o := NewOrphans(OrphanLimits{})
	o.Add(parsed, "p", parsed.Deps)
	clear(message)
	got := o.Release(numbered(1))[0].Change
	if !slices.Equal(got.Bytes(), c.Bytes()) || got.Message != c.Message || got.Deps[0] != numbered(1) {
		t.Fatal("the orphan changed with the message")
	}
}

func TestDropSender(t *testing.T) {
	o := NewOrphans(OrphanLimits{})
	for i := range 6 {
		c := orphanChange(t, i, 0, numbered(1))
		o.Add(c, []string{"p", "q"}[i%2], c.Deps)
	}
	if got := labels(o.DropSender("p")); !slices.Equal(got, []string{"00000000", "00000002", "00000004"}) {
		t.Fatal(got)
	}
	if o.DropSender("p") != nil || o.Len() != 3 || len(o.Release(numbered(1))) != 3 {
		t.Fatal("the other sender's orphans should be left")
	}
}
