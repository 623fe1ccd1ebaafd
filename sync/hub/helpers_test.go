package hub

import (
	"testing"
	"time"

	"concord/crdt"
	"concord/store"
	"concord/sync/protocol"
)

// rawSync returns a sync message with one part, whatever the state machine thinks of it.
func rawSync(heads []crdt.Hash, part []byte) []byte {
	m := protocol.Message{Version: protocol.V1, Heads: heads, Changes: [][]byte{part}}
	return m.Append(nil)
}

func reload(t *testing.T, d *replica, saved []byte) {
	t.Helper()
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

// verifier rebuilds a stored document's graph, so that the stored heads are
// checked after each test.
type verifier struct{ graph *crdt.Graph }

func (v *verifier) Add(hash store.Hash, chunk []byte) error {
	c, err := crdt.ParseChange(chunk, crdt.Limits{})
	if err != nil {
		return err
	}
	_, err = v.graph.Append(c.Header())
	v.graph.Publish(v.graph.Staged())
	return err
}

func (v *verifier) Heads() []store.Hash {
	var heads []store.Hash
	for _, h := range v.graph.Heads() {
		heads = append(heads, store.Hash(h))
	}
	return heads
}
