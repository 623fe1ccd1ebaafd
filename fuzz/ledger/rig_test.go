package ledger

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"concord/conflict"
	"concord/crdt"
	"concord/internal/id"
	"concord/internal/snapshot"
	"concord/store"
	"concord/sync/hub"
	"concord/sync/protocol"
	"concord/sync/wire"
)

// rig is a real ledger under a real hub over a real store. It can be stopped and
// started again.
type rig struct {
	tb     testing.TB
	dir    string
	store  *store.Store
	hub    *hub.Hub
	ledger *conflict.Ledger
	pool   *snapshot.Pool
	served sync.WaitGroup

	mu    sync.Mutex // guards the following field
	pipes map[string]*pipe
}

func newRig(tb testing.TB, o hub.Options) (*rig, error) {
	dir, err := os.MkdirTemp("", "ledger")
	if err != nil {
		return nil, err
	}
	r := &rig{tb: tb, dir: dir}
	return r, r.start(o)
}

// eager has snapshots written all the time, so that watchers begin with them.
var eager = snapshot.Policy{Changes: 5, Growth: 1 << 20, ColdChanges: 1, ColdGrowth: 1 << 20, ColdBytes: 1 << 20}

func (r *rig) start(o hub.Options) (err error) {
	if r.store, err = store.Open(r.dir, store.Options{}); err != nil {
		return err
	}
	r.ledger = conflict.New(r.store)
	if r.pool, err = snapshot.NewPool(r.store, snapshot.Options{Policy: eager}); err != nil {
		return err
	}
	o.Ledger, o.Snapshots, o.SaveInterval = r.ledger, r.pool, time.Millisecond
	r.pipes = map[string]*pipe{}
	r.hub, err = hub.New(r.store, o)
	return err
}

func (r *rig) stop() error {
	r.hub.Close()
	r.served.Wait()
	r.pool.Close()
	return r.store.Close()
}

// end stops the rig for good and checks its file.
func (r *rig) end() error {
	defer os.RemoveAll(r.dir)
	if err := r.stop(); err != nil {
		return err
	}
	report, err := store.Check(context.Background(), r.dir, store.CheckOptions{
		NewDocument: func() store.DocumentVerifier { return snapshot.NewVerifier() },
	})
	if err == nil && !report.OK() {
		err = fmt.Errorf("%v", report)
	}
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	return nil
}

// pipe is a connection of a client that says what it likes and doesn't listen.
type pipe struct {
	frames chan []byte
	once   sync.Once
	ended  chan struct{}
	reason string
}

func (p *pipe) Read(int) (hub.Frame, error) {
	select {
	case b := <-p.frames:
		return hub.Frame{Data: b}, nil
	case <-p.ended:
		return hub.Frame{}, io.EOF
	}
}

func (p *pipe) Write(context.Context, []byte, []byte) error { return nil }

func (p *pipe) Close(code wire.CloseCode, reason string) {
	p.once.Do(func() {
		p.reason = fmt.Sprintf("%d %s", code, reason)
		close(p.ended)
	})
}

func (p *pipe) send(m wire.Message) error {
	select {
	case p.frames <- m.Append(nil):
		return nil
	case <-p.ended:
		return fmt.Errorf("the hub closed the connection: %s", p.reason)
	}
}

// pipe returns the connection of a user of a company, a new one if there is none.
func (r *rig) pipe(company, user string) *pipe {
	name := company + "/" + user
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.pipes[name]; p != nil {
		return p
	}
	p := &pipe{frames: make(chan []byte, 1000), ended: make(chan struct{})}
	p.frames <- wire.Join{SenderID: user, Metadata: wire.PeerMetadata{StorageID: user + "'s phone"}, Versions: []string{"1"}}.Append(nil)
	r.served.Go(func() { _ = r.hub.Serve(context.Background(), p, hub.Session{Company: company, User: user}) })
	r.pipes[name] = p
	return p
}

// message is a sync message with some chunks, of somebody who has a change at least.
func message(head crdt.Hash, chunks ...[]byte) []byte {
	return (&protocol.Message{Version: protocol.V1, Heads: []crdt.Hash{head}, Changes: chunks}).Append(nil)
}

// durable waits for a while until a document has n changes.
func (r *rig) durable(key store.DocKey, n int) (bool, error) {
	for deadline := time.Now().Add(200 * time.Millisecond); ; time.Sleep(100 * time.Microsecond) {
		info, _, err := r.store.Document(key)
		switch {
		case err != nil || int(info.Changes) == n:
			return err == nil, err
		case int(info.Changes) > n:
			return false, fmt.Errorf("%d changes are durable of %d", info.Changes, n)
		case time.Now().After(deadline):
			return false, nil
		}
	}
}

// records reads all that a ledger has about the document of a company.
func records(l *conflict.Ledger, company string) ([]Record, error) {
	var list []Record
	for cursor := ""; ; {
		page, err := l.List(company, conflict.Filter{Cursor: cursor, Limit: 7})
		if err != nil {
			return nil, fmt.Errorf("list conflicts: %w", err)
		}
		for _, listed := range page.Records {
			c, err := l.Get(company, listed.ID, nil)
			if err != nil {
				return nil, fmt.Errorf("get conflict %s: %w", listed.ID, err)
			}
			one, err := recorded(c)
			if err != nil {
				return nil, fmt.Errorf("conflict %s: %w", listed.ID, err)
			}
			list = append(list, one)
		}
		if cursor = page.Next; cursor == "" {
			return list, nil
		}
	}
}

// recorded is what the definition fixes of a conflict in the ledger. It fails
// where the ledger contradicts itself.
func recorded(c conflict.Conflict) (Record, error) {
	r := Record{
		ID: c.ID.String(), Kind: string(c.Kind), Object: c.Object, Field: c.Field, Root: c.Root,
		Before: shown(c.Before), Winner: shown(c.Winner), Status: string(c.Status),
	}
	if len(c.Key) == 0 {
		return r, fmt.Errorf("has no key")
	}
	switch c.Key[0] {
	case 'k':
		r.Key = c.Key[1:]
	case 'e':
		r.Elem = c.Key[1:]
	}
	if c.Closer != nil {
		if r.Closer = c.Closer.Op; r.Closer == "" {
			r.Closer = c.Closer.Change
		}
	}
	if c.Values != len(c.Sides) {
		return r, fmt.Errorf("says that it has %d values and has %d", c.Values, len(c.Sides))
	}
	for _, v := range c.Sides {
		if v.User == "" || v.Received.IsZero() {
			return r, fmt.Errorf("value %s is nobody's", v.Op)
		}
		value := Value{Op: v.Op, Action: v.Action}
		if v.Action == "set" || v.Action == "inc" || v.Action == "mark" {
			value.Value = v.Value
		}
		r.Values = append(r.Values, value)
	}
	return r, nil
}

func shown(s *conflict.Shown) string {
	if s == nil {
		return ""
	}
	return s.Op
}

func syncFrame(user string, doc id.DocumentID, data []byte) wire.Message {
	return wire.Sync{SenderID: user, Document: doc, Data: data}
}

// told compares what a company's events tell with the ledger.
func told(s *store.Store, l *conflict.Ledger, company string, list []Record) (diff string, err error) {
	t, err := NewTold()
	if err != nil {
		return "", err
	}
	err = s.Scan(company, store.TableEvents, store.Range{}, func(_, value []byte) error { return t.Take(bytes.Clone(value)) })
	if err != nil {
		return "", fmt.Errorf("read events: %w", err)
	}
	who := map[string]string{}
	for _, r := range list {
		x, err := conflict.ParseID(r.ID)
		if err != nil {
			return "", err
		}
		c, err := l.Get(company, x, nil)
		if err != nil {
			return "", fmt.Errorf("get conflict %s: %w", x, err)
		}
		for _, v := range c.Sides {
			who[r.ID+v.Op] = v.User
		}
	}
	return t.Compare(list, func(x, op string) string { return who[x+op] }), nil
}
