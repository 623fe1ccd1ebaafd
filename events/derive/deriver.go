package derive

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"concord/crdt"
	"concord/internal/rules"
	"concord/store"
	"concord/sync/hub"
)

// Store is what a Deriver reads; *store.Store is one.
type Store interface {
	Companies() ([]string, error)
	Get(company string, t store.Table, key []byte) (value []byte, ok bool, err error)
	Scan(company string, t store.Table, part store.Range, fn func(key, value []byte) error) error
}

// Options tunes a Deriver. The zero value is usable.
type Options struct {
	Now    func() time.Time // nil = time.Now
	Logger *slog.Logger     // nil discards
}

// Stats counts since the start.
type Stats struct {
	Derived uint64 // events that were made
	Invalid uint64 // that weren't, because they don't fit the schema of their type
	Dropped uint64 // that weren't, because too many came together
	Pending int    // updates that are to be told
}

// Deriver makes events of what changes do, by rules; it is a hub.Deriver. It is
// safe for concurrent use.
type Deriver struct {
	rules  *Rules
	types  map[string]*typeRules // by type of documents
	store  Store
	now    func() time.Time
	log    *slog.Logger
	counts struct{ derived, invalid, dropped atomic.Uint64 }

	mu      sync.Mutex                           // guards the following fields
	pending map[store.DocKey]map[string]*pending // by name of the rule
	queue   []due                                // by time
	changed chan struct{}                        // the queue isn't empty any more
}

// typeRules are the rules for one type of documents.
type typeRules struct {
	kind    string
	rules   []*Rule
	paths   []string // that are compared
	index   map[string]int
	byToken map[string][]int // of paths, by their first key
	updates bool             // some rule tells of updates
	emits   map[string]fills // by type of event
}

// Open returns a Deriver that goes on with the updates that were still to be told;
// rules may be nil. Run tells them.
func Open(r *Rules, s Store, o Options) (*Deriver, error) {
	d := &Deriver{
		rules: r, types: map[string]*typeRules{}, store: s, now: o.Now, log: o.Logger,
		pending: map[store.DocKey]map[string]*pending{}, changed: make(chan struct{}, 1),
	}
	if d.now == nil {
		d.now = time.Now
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if r != nil {
		for _, rule := range r.Events {
			d.add(rule)
		}
	}
	if err := d.load(); err != nil {
		return nil, fmt.Errorf("read pending events: %w", err)
	}
	return d, nil
}

func (d *Deriver) add(r *Rule) {
	t := d.types[r.Type]
	if t == nil {
		t = &typeRules{kind: r.Type, index: map[string]int{}, byToken: map[string][]int{}, emits: map[string]fills{}}
		d.types[r.Type] = t
	}
	t.rules = append(t.rules, r)
	t.updates = t.updates || r.on(Updated)
	for path := range r.watches {
		if _, ok := t.index[path]; ok {
			continue
		}
		i := len(t.paths)
		t.index[path], t.paths = i, append(t.paths, path)
		pattern, _ := rules.ParsePattern(path)
		first, _ := pattern.Step(0)
		t.byToken[first] = append(t.byToken[first], i)
	}
	for _, m := range append(slices.Clone(r.On), "") {
		name := r.eventType(m)
		if kind, ok := d.rules.catalogue.Lookup(name); ok {
			t.emits[name] = fillsOf(kind)
		}
	}
}

// For returns what makes events of the changes of a document; nil when there is no
// rule for its type.
func (d *Deriver) For(key store.DocKey, docType string) hub.Derivation {
	t := d.types[docType]
	if t == nil || !slices.ContainsFunc(t.rules, func(r *Rule) bool { return len(r.On) != 1 || r.On[0] != Deleted }) {
		return nil
	}
	return &derivation{deriver: d, rules: t, key: key}
}

// Deleted returns the events that tell of the deletion of a document, which have
// to be committed with it. They say nothing of what was in it, not even its name.
func (d *Deriver) Deleted(key store.DocKey, docType, by string, at time.Time) []store.Record {
	t := d.types[docType]
	if t == nil {
		return nil
	}
	m := (&derivation{deriver: d, rules: t, key: key}).newMaker(at)
	for _, r := range t.rules {
		if r.on(Deleted) {
			m.make(r, Deleted, about{document: key.Document, kind: docType, who: by}, crdt.View{})
		}
	}
	return m.finish()
}

// Stats returns what was counted.
func (d *Deriver) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := Stats{Derived: d.counts.derived.Load(), Invalid: d.counts.invalid.Load(), Dropped: d.counts.dropped.Load()}
	for _, rules := range d.pending {
		s.Pending += len(rules)
	}
	return s
}
