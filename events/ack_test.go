package events

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync/atomic"
	"testing"

	"concord/internal/id"
	"concord/store"
)

// newDocument makes the first change of a document, as far as the store looks at it.
func newDocument(company string, doc id.DocumentID) store.Append {
	chunk := append([]byte{0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 1}, doc[:]...)
	hash := sha256.Sum256(chunk[8:])
	copy(chunk[4:], hash[:4])
	return store.Append{
		Doc: store.DocKey{Company: company, Document: doc}, Changes: []store.Change{{Hash: hash, Bytes: chunk}}, Heads: []store.Hash{hash},
		By: store.Attribution{User: "alice", Received: testTime},
	}
}

func TestAck(t *testing.T) {
	n := start(t, Options{})
	f, _ := n.join(alice, Start{})
	n.tell("acme", "company:acme", numbered(0, 3)...)
	var cursors []string
	for range 3 {
		b, err := f.Next(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		cursors = append(cursors, b.Cursor)
	}
	ack := func(device, cursor string) {
		t.Helper()
		who := alice
		who.Device = device
		if err := n.log.Ack(t.Context(), who, cursor); err != nil {
			t.Error(err)
		}
	}
	goesOn := func(device string, from int) {
		t.Helper()
		who := alice
		who.Device = device
		g, joined := n.join(who, Start{})
		if !joined.Recovered {
			t.Errorf("%s isn't recovered", device)
		}
		if from < 3 {
			n.expect(g, numbered(from, 3)...)
		}
		n.silent(g)
		g.Close()
	}
	ack("phone", cursors[1])
	goesOn("phone", 2) // before it is durable
	ack("phone", cursors[0])
	ack("tablet", cursors[0])
	goesOn("phone", 2)
	n.reopen()
	goesOn("phone", 2)
	goesOn("tablet", 1)
	goesOn("never seen", 3)
	ack("phone", cursors[0])
	n.reopen()
	goesOn("phone", 2)
	other := position{epoch: [epochSize]byte{1, 2, 3, 4}, number: 3, time: testTime.UnixMilli()}
	ack("phone", other.String())
	goesOn("phone", 2)
	ack("phone", cursors[2])
	n.log.flushAcks()
	goesOn("phone", 3)
}

// counted counts the writes.
type counted struct {
	*store.Store
	writes atomic.Int64
}

func (c *counted) Put(ctx context.Context, company string, r []store.Record, a []store.AuditEntry, done func(error)) error {
	c.writes.Add(1)
	return c.Store.Put(ctx, company, r, a, done)
}

func TestAcksAreWrittenTogether(t *testing.T) {
	n := start(t, Options{})
	n.tell("acme", "company:acme", numbered(0, 100)...)
	c := &counted{Store: n.store}
	l := n.openOn(c)
	for i := range uint64(101) {
		for d := range 10 {
			who := Listener{Company: "acme", User: fmt.Sprint("user", d), Device: "phone"}
			if err := l.Ack(t.Context(), who, position{l.epoch, i, 0}.String()); err != nil {
				t.Fatal(err)
			}
		}
	}
	l.Close()
	if got := c.writes.Load(); got < 1 || got > 3 {
		t.Errorf("%d writes, want about one", got)
	}
	for d := range 10 {
		number, ok, err := n.log.storedAck(device{"acme", fmt.Sprint("user", d), "phone"})
		if number != 100 || !ok || err != nil {
			t.Errorf("user %d: %d, %v, %v", d, number, ok, err)
		}
	}
}

// A user's devices are bounded: the one that was away for longest is forgotten.
func TestDevicesAreBounded(t *testing.T) {
	n := start(t, Options{})
	n.tell("acme", "company:acme", "one")
	for i := range MaxDevices + 10 {
		n.clock.advance(1e9)
		who := Listener{Company: "acme", User: "alice", Device: fmt.Sprint("device ", i)}
		if err := n.log.Ack(t.Context(), who, position{n.log.epoch, 1, 0}.String()); err != nil {
			t.Fatal(err)
		}
		other := Listener{Company: "acme", User: fmt.Sprint("alice", i), Device: "device"}
		if err := n.log.Ack(t.Context(), other, position{n.log.epoch, 1, 0}.String()); err != nil {
			t.Fatal(err)
		}
		if i%7 == 0 {
			n.log.flushAcks()
		}
	}
	n.log.flushAcks()
	kept := 0
	for i := range MaxDevices + 10 {
		_, ok, err := n.log.storedAck(device{"acme", "alice", fmt.Sprint("device ", i)})
		if err != nil || i >= 17 && !ok || i < 3 && ok {
			t.Errorf("device %d: %v, %v", i, ok, err)
		}
		if ok {
			kept++
		}
		if _, ok, err := n.log.storedAck(device{"acme", fmt.Sprint("alice", i), "device"}); !ok || err != nil {
			t.Errorf("other user %d: %v, %v", i, ok, err)
		}
	}
	if kept != MaxDevices {
		t.Errorf("%d devices are kept, want %d", kept, MaxDevices)
	}
}
