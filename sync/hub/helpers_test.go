package hub

import (
	"bytes"
	"testing"
	"time"

	"concord/crdt"
	"concord/sync/protocol"
)

// rawSync returns a sync message with one part, whatever the state machine thinks of it.
func rawSync(heads []crdt.Hash, part []byte) []byte {
	m := protocol.Message{Version: protocol.V1, Heads: heads, Changes: [][]byte{part}}
	return m.Append(nil)
}

// reload gives a replica the state of a new connection; saved nil = none is kept.
func reload(t *testing.T, d *replica, saved []byte) {
	t.Helper()
	if saved == nil {
		d.state = protocol.New(protocol.Options{})
		return
	}
	state, err := protocol.Load(saved, protocol.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d.state = state
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not reached", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// documentChanges returns the changes of a document chunk.
func documentChanges(tb testing.TB, chunk crdt.Chunk) (changes []*crdt.Change) {
	tb.Helper()
	_, err := chunk.ParseDocument(crdt.Limits{}, func(c crdt.DocumentChange) error {
		ch, err := c.Keep(bytes.Clone(c.Raw))
		changes = append(changes, ch)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return changes
}
