package derive

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"concord/events"
	"concord/internal/id"
	"concord/store"
	"concord/sync/hub"
)

// Editor changes documents; *hub.Hub is one.
type Editor interface {
	Edit(ctx context.Context, key store.DocKey, e hub.Edit) (hub.Edited, error)
}

const (
	// pause is how long after a change it is told that the document was updated.
	pause = time.Second
	// again is when it is tried again after a failure.
	again = 30 * time.Second
	// together is how many documents are told of at a time.
	together = 64
)

// pending is an update that is to be told.
type pending struct {
	Rule string `json:"rule"`
	User string `json:"user,omitempty"` // who made it
	due  time.Time
	// written tells that the record is durable, or on its way to the disk.
	written bool
}

// due is a time at which there is something to be told of a document.
type due struct {
	key store.DocKey
	at  time.Time
}

// pendingKey is the key of a record, after the kind: 16B document, 8B of the hash
// of the rule's name.
func pendingKey(doc id.DocumentID, rule string) []byte {
	sum := sha256.Sum256([]byte(rule))
	return append(doc[:], sum[:8]...)
}

func (p *pending) record(doc id.DocumentID) store.Record {
	body, _ := json.Marshal(p) // can't fail
	return events.State{Kind: events.StatePending, Key: pendingKey(doc, p.Rule), Document: doc, Body: body}.Record()
}

func (p *pending) removal(doc id.DocumentID) store.Record {
	return store.Record{Table: store.TableEventState, Key: events.StateKeyOf(events.StatePending, pendingKey(doc, p.Rule))}
}

// load reads what was to be told when the process ended. It is due at once.
func (d *Deriver) load() error {
	companies, err := d.store.Companies()
	if err != nil {
		return err
	}
	now := d.now()
	for _, company := range companies {
		part := store.Range{Prefix: events.StateKeyOf(events.StatePending, nil)}
		err := d.store.Scan(company, store.TableEventState, part, func(key, value []byte) error {
			s, err := events.ParseState(key, value)
			if err != nil {
				return err
			}
			p := &pending{due: now, written: true}
			if err := json.Unmarshal(s.Body, p); err != nil {
				return fmt.Errorf("pending event of document %s: %w: %w", s.Document, store.ErrCorrupt, err)
			}
			d.schedule(store.DocKey{Company: company, Document: s.Document}, p)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// schedule notes an update. d.mu is held, or d isn't shared yet.
func (d *Deriver) schedule(key store.DocKey, p *pending) {
	if d.pending[key] == nil {
		d.pending[key] = make(map[string]*pending)
	}
	d.pending[key][p.Rule] = p
	d.enqueue(due{key, p.due})
}

func (d *Deriver) enqueue(x due) {
	i, _ := slices.BinarySearchFunc(d.queue, x.at, func(other due, at time.Time) int {
		if other.at.After(at) {
			return 1
		}
		return -1
	})
	d.queue = slices.Insert(d.queue, i, x)
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// putOff returns the records of updates that are to be told later. The lock of the
// document is held.
func (d *Deriver) putOff(key store.DocKey, updates []later, now time.Time) (records []store.Record) {
	if len(updates) == 0 {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, u := range updates {
		p := d.pending[key][u.rule.Name]
		if p == nil {
			p = &pending{Rule: u.rule.Name, User: u.who, due: now.Add(pause)}
			d.schedule(key, p)
		}
		if !p.written {
			p.written = true
			records = append(records, p.record(key.Document))
		}
	}
	return records
}

// Abandoned notes that records of a document's pending updates may not have been
// written.
func (d *Deriver) Abandoned(key store.DocKey) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range d.pending[key] {
		p.written = false
	}
}

// Run tells of updates until ctx ends; what is left then is told after the next
// start.
func (d *Deriver) Run(ctx context.Context, editor Editor) {
	var flushes sync.WaitGroup
	defer flushes.Wait()
	room := make(chan struct{}, together)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-d.changed:
		}
		now := d.now()
		keys, next := d.take(now)
		for _, key := range keys {
			select {
			case room <- struct{}{}:
			case <-ctx.Done():
				return
			}
			flushes.Go(func() {
				defer func() { <-room }()
				d.flush(ctx, editor, key, now)
			})
		}
		timer.Reset(next)
	}
}

// take returns the documents of which something is due, and how long nothing else
// is.
func (d *Deriver) take(now time.Time) (keys []store.DocKey, next time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, known := 0, make(map[store.DocKey]bool)
	for n < len(d.queue) && !d.queue[n].at.After(now) {
		if key := d.queue[n].key; !known[key] {
			known[key] = true
			keys = append(keys, key)
		}
		n++
	}
	d.queue = slices.Delete(d.queue, 0, n)
	if len(d.queue) == 0 {
		return keys, time.Hour
	}
	return keys, d.queue[0].at.Sub(now)
}

// flush tells of the updates of a document that are due at a time.
func (d *Deriver) flush(ctx context.Context, editor Editor, key store.DocKey, now time.Time) {
	tell := func(e hub.Ended) ([]store.Record, error) { return d.tell(e, now) }
	_, err := editor.Edit(ctx, key, hub.Edit{Trusted: true, Last: tell})
	switch {
	case err == nil || ctx.Err() != nil || errors.Is(err, hub.ErrClosing):
	case errors.Is(err, hub.ErrNotFound), errors.Is(err, hub.ErrPurged):
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.pending, key)
	default:
		d.log.Error("event not made", "company", key.Company, "document", key.Document.String(), "error", err)
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, p := range d.pending[key] {
			p.due = d.now().Add(again)
		}
		if len(d.pending[key]) > 0 {
			d.enqueue(due{key, d.now().Add(again)})
		}
	}
}

// tell puts events in the place of the pending updates that are due. The lock of
// the document is held.
func (d *Deriver) tell(e hub.Ended, now time.Time) ([]store.Record, error) {
	list, err := d.takeDue(e, now)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	var removals []store.Record
	t := d.types[e.Type]
	m := (&derivation{deriver: d, rules: t, key: e.Key}).newMaker(e.Received)
	for _, p := range list {
		removals = append(removals, p.removal(e.Key.Document))
		if r := t.rule(p.Rule); r != nil {
			m.make(r, Updated, about{e.Key.Document, e.Type, e.Ref, p.User}, e.View)
		}
	}
	return append(m.finish(), removals...), nil
}

// takeDue takes out what is due and is in the store, in the order of the rules'
// names.
func (d *Deriver) takeDue(e hub.Ended, now time.Time) (list []*pending, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, p := range d.pending[e.Key] {
		if p.due.After(now) {
			continue
		}
		if !p.written {
			record := p.removal(e.Key.Document)
			if _, p.written, err = d.store.Get(e.Key.Company, record.Table, record.Key); err != nil {
				return nil, err
			}
		}
		if delete(d.pending[e.Key], name); p.written {
			list = append(list, p)
		}
	}
	if len(d.pending[e.Key]) == 0 {
		delete(d.pending, e.Key)
	}
	slices.SortFunc(list, func(a, b *pending) int { return cmp.Compare(a.Rule, b.Rule) })
	return list, nil
}

// rule returns the rule of a name that tells of updates, nil for none.
func (t *typeRules) rule(name string) *Rule {
	if t == nil {
		return nil
	}
	for _, r := range t.rules {
		if r.Name == name && r.on(Updated) {
			return r
		}
	}
	return nil
}
