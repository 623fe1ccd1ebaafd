package hostile

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"concord/crdt"
	"concord/internal/peer"
	"concord/internal/testkit/node"
	"concord/sync/wire"
)

func TestHostile(t *testing.T) {
	h := newHarness(t, "--handshake-timeout", "4s", "--ping-interval", "5000", "--ping-timeout", "10000")
	h.warmUp()
	h.editors = h.startEditors()
	h.memory = h.watch()
	pid := h.node.PID()

	h.phase("frames: values of another type", h.wrongTypes)
	h.phase("sync messages", h.brokenSync)
	h.phase("changes: graph", func() { h.refusedChanges(h.graphOffences()) })
	h.phase("changes: bombs", func() { h.refusedChanges(h.bombs()) })
	h.phase("WebSocket protocol", h.brokenWebSocket)
	http := h.alongside("HTTP", h.brokenHTTP)
	h.phase("oversize messages", h.oversize)
	h.phase("storage IDs", h.storageIDs)
	h.phase("phantom heads", h.phantomHeads)
	h.phase("orphans", h.orphans)
	h.phase("1,000 that never join", func() {
		h.disperse(h.gather("never joins", nil, int(wire.CloseHandshake)), answerTimeout)
	})
	http()
	// This crowd stays while the mutated frames come: its connections end by the ping that they don't answer.
	var half *crowd
	h.phase("1,000 half frames: begin", func() {
		sent := append(appendHeader(nil, 0x80|opBinary, 1<<20), make([]byte, 300)...)
		half = h.gather("half a frame", sent, int(wire.CloseTryLater))
	})
	h.phase("mutated frames", func() { h.mutatedFrames(node.Setting(t, "HOSTILE_FRAMES", 100_000)) })
	h.phase("1,000 half frames: end", func() { h.disperse(half, time.Minute) })

	h.editors.finish()
	h.memory.finish()
	h.printTable()
	select {
	case err := <-h.node.Died():
		t.Fatalf("the node died: %v", err)
	default:
	}
	if h.node.PID() != pid {
		t.Error("the node is another process")
	}
	h.node.Stop()
	if out, err := exec.Command(node.Binary(t), "check", h.node.Data).CombinedOutput(); err != nil {
		t.Errorf("concord check: %v\n%s", err, out)
	}
}

// phase runs one kind of attack and looks at everything else after it.
func (h *harness) phase(name string, attack func()) {
	h.Helper()
	if !wanted(name) {
		return
	}
	before, begin := h.editors.count(), time.Now()
	attack()
	select {
	case err := <-h.node.Died():
		h.Fatalf("%s: the node died: %v", name, err)
	default:
	}
	took, edits := time.Since(begin), h.editors.count()-before
	h.editors.goOn()
	h.Logf("%-36s %6v  peak %10s  anonymous %10s  file %9s  heap %9s  %4d edits of the others", name, took.Round(10*time.Millisecond), mib(h.memory.phase()),
		mib(h.memory.status("RssAnon")), mib(h.memory.status("RssFile")), mib(int64(h.metric("go_memstats_heap_inuse_bytes"))), edits)
}

// alongside starts an attack that takes long because the node waits, and returns how to wait for its end.
func (h *harness) alongside(name string, attack func()) (wait func()) {
	var owned sync.WaitGroup
	if wanted(name) {
		owned.Go(attack)
	}
	return func() { h.phase(name, owned.Wait) }
}

func wanted(phase string) bool { return strings.Contains(phase, os.Getenv("HOSTILE_PHASE")) }

// warmUp brings the node to the memory that an ordinary day takes: a hundred clients, some thousand edits.
func (h *harness) warmUp() {
	h.Helper()
	ctx, cancel := contextWithin(h.T, time.Minute)
	defer cancel()
	var owned sync.WaitGroup
	for n := range 100 {
		owned.Go(func() {
			p, err := peer.Dial(ctx, peer.Options{URL: h.node.SyncURL(), Token: h.token(n)})
			if err != nil {
				h.Error(err)
				return
			}
			defer p.Drop()
			for round := range 20 {
				d := p.Create(h.sharedDocument(round))
				hash, err := d.Set("field", crdt.BytesValue(make([]byte, 1000)))
				if err == nil {
					err = d.WaitAcked(ctx, hash)
				}
				if err != nil {
					h.Error(err)
					return
				}
			}
		})
	}
	owned.Wait()
}
