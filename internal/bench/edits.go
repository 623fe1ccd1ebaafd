package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"concord/crdt"
	"concord/internal/peer"
)

// tracker measures when one edit at a time reaches the peers of a document.
type tracker struct {
	mu    sync.Mutex // guards the following fields
	left  int
	begin time.Time
	done  chan struct{}   // closed when all have it
	seen  []time.Duration // until one peer had an edit
	all   []time.Duration // until the last peer had it
}

// expect begins an edit that n peers are to get. It is called before the edit is made.
func (t *tracker) expect(n int) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left, t.begin, t.done = n, time.Now(), make(chan struct{})
	return t.done
}

// arrived is the OnChange hook of the receiving peers. One edit is under way, so any new change is it.
func (t *tracker) arrived(*peer.Document, crdt.Hash) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.left == 0 {
		return
	}
	since := time.Since(t.begin)
	t.seen = append(t.seen, since)
	if t.left--; t.left == 0 {
		t.all = append(t.all, since)
		close(t.done)
	}
}

// fanOut measures one edit at a time on one document: until the author has the acknowledgement, and until all other
// peers have the edit.
func fanOut(ctx context.Context, o Options, r *report) error {
	for _, n := range o.Peers {
		if err := fanOutTo(ctx, o, r, n); err != nil {
			return err
		}
	}
	return nil
}

func fanOutTo(ctx context.Context, o Options, r *report, n int) error {
	t := &tracker{}
	peers, err := connect(ctx, o, n, func(i int, po *peer.Options) {
		if i > 0 {
			po.OnChange = t.arrived
		}
	})
	if err != nil {
		return err
	}
	defer drop(peers)
	document := peer.NewDocumentID()
	author := peers[0].Create(document)
	first, err := author.Set("field", crdt.IntValue(0))
	if err != nil {
		return err
	}
	if err := author.WaitAcked(ctx, first); err != nil {
		return err
	}
	for _, p := range peers[1:] {
		if err := p.Open(document).WaitFor(ctx, first); err != nil {
			return err
		}
	}
	var acked []time.Duration
	warm := min(20, o.Edits/10)
	for i := range o.Edits + warm {
		done := t.expect(n - 1)
		begin := time.Now()
		h, err := author.Set("field", crdt.IntValue(int64(i)))
		if err != nil {
			return err
		}
		if err := author.WaitAcked(ctx, h); err != nil {
			return err
		}
		took := time.Since(begin)
		if n > 1 {
			select {
			case <-done:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if i < warm {
			t.seen, t.all = nil, nil
		} else {
			acked = append(acked, took)
		}
	}
	name := fmt.Sprintf("%s/peers=%d", ScenarioFanOut, n)
	r.latencies(name, "until acknowledged", acked)
	r.latencies(name, "until at each peer", t.seen)
	r.latencies(name, "until at all peers", t.all)
	return nil
}

// closed lets two clients of each document edit, each a field of its own.
func closed(ctx context.Context, o Options, r *report) error {
	return loop(ctx, o, r, ScenarioClosed, [2]string{"field-0", "field-1"})
}

// conflicts lets both edit the same field.
func conflicts(ctx context.Context, o Options, r *report) error {
	return loop(ctx, o, r, ScenarioConflicts, [2]string{"field", "field"})
}

// loop lets two clients of each document set their fields, each as soon as its last edit is acknowledged and has
// reached the other one.
func loop(ctx context.Context, o Options, r *report, scenario string, fields [2]string) error {
	peers, err := connect(ctx, o, 2*o.Documents, nil)
	if err != nil {
		return err
	}
	defer drop(peers)
	pairs := make([][2]*peer.Document, o.Documents)
	for i := range pairs {
		document := peer.NewDocumentID()
		a := peers[2*i].Create(document)
		h, err := a.Set("first", crdt.IntValue(0))
		if err != nil {
			return err
		}
		if err := a.WaitAcked(ctx, h); err != nil {
			return err
		}
		b := peers[2*i+1].Open(document)
		if err := b.WaitFor(ctx, h); err != nil {
			return err
		}
		pairs[i] = [2]*peer.Document{a, b}
	}
	var mu sync.Mutex
	var acked, seen []time.Duration
	begin := time.Now()
	end := begin.Add(o.Duration)
	group, gctx := errgroup.WithContext(ctx)
	for _, pair := range pairs {
		for side := range 2 {
			group.Go(func() error {
				a, s, err := edit(gctx, pair[side], pair[1-side], fields[side], end)
				mu.Lock()
				defer mu.Unlock()
				acked, seen = append(acked, a...), append(seen, s...)
				return err
			})
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	elapsed := time.Since(begin)
	name := fmt.Sprintf("%s/docs=%d/clients=2", scenario, o.Documents)
	r.row(name, "edits", fmt.Sprintf("%.0f/s", float64(len(seen))/elapsed.Seconds()))
	r.latencies(name, "until acknowledged", acked)
	r.latencies(name, "until at the other client", seen)
	return nil
}

// edit edits one document until a moment, and returns how long each edit took to be acknowledged and seen.
func edit(ctx context.Context, mine, theirs *peer.Document, key string, end time.Time) (acked, seen []time.Duration, err error) {
	for i := int64(0); time.Now().Before(end); i++ {
		begin := time.Now()
		h, err := mine.Set(key, crdt.IntValue(i))
		if err != nil {
			return acked, seen, err
		}
		if err := mine.WaitAcked(ctx, h); err != nil {
			return acked, seen, err
		}
		acked = append(acked, time.Since(begin))
		if err := theirs.WaitFor(ctx, h); err != nil {
			return acked, seen, err
		}
		seen = append(seen, time.Since(begin))
	}
	return acked, seen, nil
}
