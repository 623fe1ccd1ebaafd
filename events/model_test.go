package events

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"concord/store"
)

// world is a random run: people publish, and devices come, go, crash and acknowledge, over several restarts.
type world struct {
	*node
	seed    uint64
	devices []*simulated
}

// simulated is a device as a program would be that keeps what it got.
type simulated struct {
	who   Listener
	start Start
	rng   *rand.Rand

	cursor string            // what it has kept; empty: it relies on what it has acknowledged
	got    []string          // IDs in the order in which they came first
	texts  map[string]string // by ID
	again  int               // events that came again
	ended  int               // rounds
}

func TestModel(t *testing.T) {
	seed := uint64(20)
	for i := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed+i), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed+i, 1))
			w := &world{node: start(t, Options{Memory: []int{1, 2000, 20_000, 0}[rng.IntN(4)]}), seed: seed + i}
			w.people(rng)
			const rounds = 3
			for round := range rounds {
				w.round(t, rng, round)
				w.reopen()
			}
			again := 0
			for _, d := range w.devices {
				w.judge(t, d)
				again += d.again
			}
			if again == 0 {
				t.Error("nothing came again, though devices crashed")
			}
		})
	}
}

var modelRooms = []string{"user:alice", "user:bob", "user:carol", "company:acme", "company:globex", DocumentRoom(doc(1)), DocumentRoom(doc(2))}

func (w *world) people(rng *rand.Rand) {
	for _, company := range []string{"acme", "globex"} {
		for _, user := range []string{"alice", "bob", "carol"} {
			for _, name := range []string{"phone", "laptop"} {
				d := &simulated{
					who: Listener{Company: company, User: user, Device: name}, texts: make(map[string]string),
					rng: rand.New(rand.NewPCG(rng.Uint64(), 2)),
				}
				for _, room := range modelRooms[5:] {
					if rng.IntN(2) == 0 {
						d.start.Rooms = append(d.start.Rooms, room)
					}
				}
				if rng.IntN(3) == 0 {
					d.start.Filter = []string{"a:*", "c:three", "end:*"}
				}
				if rng.IntN(2) == 0 {
					d.cursor = position{epoch: w.log.epoch}.String()
				} else if err := w.log.Ack(context.Background(), d.who, position{epoch: w.log.epoch}.String()); err != nil {
					w.t.Fatal(err)
				}
				w.devices = append(w.devices, d)
			}
		}
	}
}

// round publishes from many goroutines while devices listen, until each has got the round's last event.
func (w *world) round(t *testing.T, rng *rand.Rand, round int) {
	var publishers, listeners sync.WaitGroup
	for p := range 4 {
		own := rand.New(rand.NewPCG(rng.Uint64(), 3))
		publishers.Go(func() { w.publish(t, own, fmt.Sprintf("%d/%d", round, p)) })
	}
	for _, d := range w.devices {
		if d.rng.IntN(4) == 0 && round < 2 {
			continue // it is away for the round
		}
		listeners.Go(func() { d.listen(t, w.log, round) })
	}
	publishers.Wait()
	for _, company := range []string{"acme", "globex"} {
		for _, user := range []string{"alice", "bob", "carol"} {
			e := w.event(UserRoom(user), fmt.Sprint(round))
			e.Type = "end:round"
			w.put(company, e)
		}
	}
	listeners.Wait()
}

func (w *world) publish(t *testing.T, rng *rand.Rand, name string) {
	types := []string{"a:one", "a:two", "b:one", "c:three", "c:four"}
	for i := range 60 {
		company := []string{"acme", "globex"}[rng.IntN(2)]
		var list []Event
		for range 1 + rng.IntN(4) {
			e := w.event(modelRooms[rng.IntN(len(modelRooms))], fmt.Sprintf("%s/%d/%d", name, i, len(list)))
			e.Type = types[rng.IntN(len(types))]
			list = append(list, e)
		}
		if err := w.tryPut(company, list...); err != nil {
			t.Error(err)
		}
	}
}

// listen joins until the device has got the event that ends the round.
func (d *simulated) listen(t *testing.T, l *Log, round int) {
	for d.ended <= round {
		s := d.start
		s.Cursor = d.cursor
		f, joined, err := l.Join(t.Context(), d.who, s)
		if err != nil || !joined.Recovered {
			t.Errorf("join: %+v, %v", joined, err)
			return
		}
		d.read(t, l, f, round)
		f.Close()
		if t.Failed() {
			return
		}
	}
}

// read takes some batches from a feed. Now and then the device crashes and forgets what it hasn't kept.
func (d *simulated) read(t *testing.T, l *Log, f *Feed, round int) {
	number := uint64(0)
	for range 1 + d.rng.IntN(40) {
		if d.ended > round {
			return
		}
		b, err := f.Next(t.Context(), 1+d.rng.IntN(20))
		if err != nil || b.Gap || len(b.Items) == 0 {
			t.Errorf("next: %+v, %v", b, err)
			return
		}
		if d.rng.IntN(20) == 0 {
			d.again += 1 // what was in the batch comes again
			return
		}
		for _, item := range b.Items {
			p, err := parseCursor(item.Cursor)
			if err != nil || p.number <= number {
				t.Errorf("event %d came after %d, %v", p.number, number, err)
			}
			number = p.number
			d.take(t, item)
		}
		switch {
		case d.cursor != "":
			d.cursor = b.Cursor
		case d.rng.IntN(2) == 0:
			if err := l.Ack(t.Context(), d.who, b.Cursor); err != nil {
				t.Error(err)
			}
		}
		if d.rng.IntN(8) == 0 {
			time.Sleep(time.Duration(d.rng.IntN(2000)) * time.Microsecond)
		}
	}
	if d.cursor == "" && d.rng.IntN(2) == 0 {
		if err := l.Ack(t.Context(), d.who, f.Cursor()); err != nil {
			t.Error(err)
		}
	}
}

func (d *simulated) take(t *testing.T, item Item) {
	var e Event
	if err := json.Unmarshal(item.JSON, &e); err != nil {
		t.Fatal(err)
	}
	if _, known := d.texts[e.ID]; known {
		return
	}
	d.got, d.texts[e.ID] = append(d.got, e.ID), string(e.Data)
	if e.Type == "end:round" {
		d.ended++
	}
}

// judge compares what a device got with what the log holds for it.
func (w *world) judge(t *testing.T, d *simulated) {
	own := append([]string{UserRoom(d.who.User), CompanyRoom(d.who.Company)}, d.start.Rooms...)
	var want []string
	next := uint64(1)
	err := w.store.Scan(d.who.Company, store.TableEvents, store.Range{}, func(key, value []byte) error {
		if n := binary.BigEndian.Uint64(key); n != next {
			return fmt.Errorf("event %d follows %d", n, next-1)
		}
		next++
		e, err := Decode(value)
		if err != nil {
			return err
		}
		wanted := d.start.Filter == nil || e.Type[:2] == "a:" || e.Type == "c:three" || e.Type == "end:round"
		if !wanted || !slices.Contains(own, e.Room) {
			return nil
		}
		want = append(want, e.ID)
		if got, ok := d.texts[e.ID]; ok && got != string(e.Data) {
			return errors.New("data isn't what was put")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if !slices.Equal(want, d.got) || len(want) < 10 {
		t.Errorf("%+v got %d events, want %d in the order of the log", d.who, len(d.got), len(want))
	}
}
