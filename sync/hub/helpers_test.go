package hub

import (
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
