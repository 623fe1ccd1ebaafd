package presence

import (
	"context"
	"sync"
	"time"
)

const (
	// aliveInterval is how often it is saved that a company's users are still
	// online: after a kill that is when they were seen last.
	aliveInterval = time.Minute
	// retryInterval is the pause after a write that failed.
	retryInterval = time.Second
	// maxBatch is how many users one write concerns at most.
	maxBatch = 500
)

// news is a change of what the store has of a user.
type news struct {
	user     *user
	online   bool
	at       time.Time
	lastSeen time.Time
}

// heartbeat makes the alive records due.
type heartbeat struct {
	alarm   alarm
	tracker *Tracker
}

func (h *heartbeat) fire(now time.Time) {
	h.tracker.keepAlive = true
	h.tracker.queue.set(&h.alarm, now.Add(aliveInterval))
}

// run lets alarms fire and writes what they and the connections have changed.
func (t *Tracker) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-t.ctx.Done():
			return
		case <-t.wake:
		case <-timer.C:
		}
		list, keepAlive, next := t.step(time.Now())
		failed := t.save(list)
		if keepAlive {
			t.saveAlive(t.ctx)
		}
		if failed {
			next = time.Now().Add(retryInterval)
		}
		timer.Reset(time.Until(next))
	}
}

// step lets all alarms fire that are due, and takes what is to be written.
func (t *Tracker) step(now time.Time) (list []news, keepAlive bool, next time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for a := t.queue.take(now); a != nil; a = t.queue.take(now) {
		a.owner.fire(now)
	}
	for _, u := range t.changed {
		u.changed = false
		if u.online != u.told {
			u.told, u.saving = u.online, true
			list = append(list, news{u, u.online, now, u.lastSeen})
		}
		u.tidy()
	}
	t.changed = nil
	keepAlive, t.keepAlive = t.keepAlive, false
	return list, keepAlive, t.queue[0].at // the heartbeat is always in it
}

// save writes news and waits until they are durable. It reports whether some
// failed; these are to be told again.
func (t *Tracker) save(list []news) (failed bool) {
	if len(list) == 0 {
		return false
	}
	batches := make(map[*company][][]news)
	for _, n := range list {
		c := n.user.company
		all := batches[c]
		if len(all) == 0 || len(all[len(all)-1]) == maxBatch {
			all = append(all, nil)
		}
		all[len(all)-1] = append(all[len(all)-1], n)
		batches[c] = all
	}
	var waiting sync.WaitGroup
	errs := make(chan error, len(list))
	for c, all := range batches {
		for _, batch := range all {
			waiting.Add(1)
			t.put(t.ctx, c.name, batch, func(err error) {
				defer waiting.Done()
				t.saved(batch, err)
				if err != nil {
					errs <- err
				}
			})
		}
	}
	waiting.Wait()
	select {
	case err := <-errs:
		if t.ctx.Err() == nil {
			t.o.Logger.Error("save presence", "error", err)
		}
		return true
	default:
		return false
	}
}

// put writes news of one company.
func (t *Tracker) put(ctx context.Context, company string, batch []news, done func(error)) {
	records, events := make([]Record, len(batch)), make([]Event, len(batch))
	for i, n := range batch {
		records[i], events[i] = n.record(), n.event()
	}
	if err := t.o.Store.Put(ctx, company, records, events, done); err != nil {
		done(err)
	}
}

// saved ends a write.
func (t *Tracker) saved(batch []news, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range batch {
		n.user.saving = false
		if err != nil {
			n.user.told = !n.online
			if n.user.online != n.user.told && !n.user.changed {
				n.user.changed = true
				t.changed = append(t.changed, n.user) // for the next try; that is not at once
			}
		}
		n.user.tidy()
	}
}

// saveAlive writes for each company with somebody online that it was so by now.
func (t *Tracker) saveAlive(ctx context.Context) {
	now := time.Now()
	record := Record{Key: aliveKey, Value: state{LastSeen: now.UnixMilli()}.encode()}
	var waiting sync.WaitGroup
	for _, name := range t.inhabited() {
		waiting.Add(1)
		done := func(err error) {
			if err != nil && ctx.Err() == nil {
				t.o.Logger.Warn("save that users are online", "error", err)
			}
			waiting.Done()
		}
		if err := t.o.Store.Put(ctx, name, []Record{record}, nil, done); err != nil {
			done(err)
		}
	}
	waiting.Wait()
}

// inhabited returns the companies with somebody online.
func (t *Tracker) inhabited() (names []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, c := range t.companies {
		for _, u := range c.users {
			if u.live > 0 {
				names = append(names, name)
				break
			}
		}
	}
	return names
}
