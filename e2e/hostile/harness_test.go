package hostile

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"concord/crdt"
	"concord/internal/id"
	"concord/internal/peer"
	"concord/internal/testkit/node"
	"concord/sync/wire"
)

// attackers is how many users attack, so that no per-user limit protects the node from the test.
const attackers = 64

// harness is a node under attack.
type harness struct {
	*testing.T
	node    *node.Node
	seed    uint64
	tokens  []string
	editors *editors
	memory  *memory

	mu    sync.Mutex // guards the following field
	table map[string]map[int]*verdict
}

// verdict counts endings of one kind.
type verdict struct {
	count  int
	reason string // an example
}

func newHarness(t *testing.T, args ...string) *harness {
	seed := uint64(node.Setting(t, "HOSTILE_SEED", int(time.Now().UnixNano()&0xffffffff)))
	t.Logf("HOSTILE_SEED=%d", seed)
	h := &harness{T: t, seed: seed, table: map[string]map[int]*verdict{}}
	h.node = node.Start(t, node.Options{Args: args})
	for i := range attackers {
		h.tokens = append(h.tokens, h.node.Token(node.Claims{Sub: fmt.Sprint("mallory-", i)}))
	}
	return h
}

func (h *harness) rng(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(h.seed, stream)) }

func (h *harness) token(n int) string { return h.tokens[n%len(h.tokens)] }

// note enters an ending into the table.
func (h *harness) note(offence string, e ending) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.table[offence] == nil {
		h.table[offence] = map[int]*verdict{}
	}
	v := h.table[offence][e.code]
	if v == nil {
		v = &verdict{reason: e.reason}
		h.table[offence][e.code] = v
	}
	v.count++
}

// provoke commits one offence on its own connection, behind a join if joined, and holds the ending against the codes
// that are fine; 0 stands for a connection that is kept.
func (h *harness) provoke(offence string, n int, joined bool, sent []byte, codes ...int) ending {
	h.Helper()
	c, err := dialRaw(h.node.Address, h.token(n))
	if err != nil {
		h.Errorf("%s: %v", offence, err)
		return ending{}
	}
	defer c.Close()
	if joined {
		sent = append(binaryFrame(h.join(fmt.Sprintf("attacker-%d-%s", n, c.LocalAddr()))), sent...)
	}
	e, err := c.provoke(sent)
	if err != nil {
		h.Errorf("%s: the connection ended without a close frame: %v", offence, err)
		return e
	}
	h.expect(offence, e, codes...)
	return e
}

func (h *harness) expect(offence string, e ending, codes ...int) {
	h.Helper()
	h.note(offence, e)
	if !slices.Contains(codes, e.code) {
		h.Errorf("%s: ended with %d %q, want %v", offence, e.code, e.reason, codes)
	} else if e.code != 0 && e.reason == "" {
		h.Errorf("%s: closed with %d and no reason", offence, e.code)
	}
}

func (h *harness) join(peerID string) []byte {
	return wire.Join{SenderID: peerID, Versions: []string{wire.ProtocolVersion}, Metadata: wire.PeerMetadata{Ephemeral: true}}.Append(nil)
}

// printTable shows what each offence led to.
func (h *harness) printTable() {
	h.mu.Lock()
	defer h.mu.Unlock()
	var names []string
	for name := range h.table {
		names = append(names, name)
	}
	slices.Sort(names)
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "offence\ttimes\tclose code\treason, for example")
	for _, name := range names {
		for code, v := range h.table[name] {
			label := strconv.Itoa(code)
			if code == 0 {
				label = "kept"
			}
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", name, v.count, label, v.reason)
		}
	}
	w.Flush()
	h.Logf("endings:\n%s", out.String())
}

// editors are two well-behaved peers that edit one document in turns.
type editors struct {
	h        *harness
	document id.DocumentID
	peers    [2]*peer.Peer
	docs     [2]*peer.Document
	stop     chan struct{}
	owned    sync.WaitGroup

	mu      sync.Mutex // guards the following fields
	edits   int
	slowest time.Duration
	failed  error
}

// editDeadline is how long an edit may take to be acknowledged and seen, under attack, on two cores.
const editDeadline = 10 * time.Second

func (h *harness) startEditors() *editors {
	h.Helper()
	e := &editors{h: h, document: peer.NewDocumentID(), stop: make(chan struct{})}
	for i, user := range []string{"alice", "bob"} {
		p, err := peer.Dial(h.Context(), peer.Options{URL: h.node.SyncURL(), Token: h.node.Token(node.Claims{Sub: user})})
		if err != nil {
			h.Fatal(err)
		}
		h.Cleanup(p.Drop)
		e.peers[i], e.docs[i] = p, p.Open(e.document)
	}
	e.owned.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-e.stop:
				return
			default:
			}
			if err := e.edit(n); err != nil {
				e.mu.Lock()
				e.failed = fmt.Errorf("edit %d of the well-behaved peers: %w", n, err)
				e.mu.Unlock()
				return
			}
			time.Sleep(2 * time.Millisecond)
		}
	})
	return e
}

func (e *editors) edit(n int) error {
	ctx, cancel := contextWithin(e.h.T, editDeadline)
	defer cancel()
	begin := time.Now()
	mine, theirs := e.docs[n%2], e.docs[(n+1)%2]
	hash, err := mine.Set(fmt.Sprint("field-", n%2), crdt.IntValue(int64(n)))
	if err != nil {
		return err
	}
	if err := mine.WaitAcked(ctx, hash); err != nil {
		return err
	}
	if err := theirs.WaitFor(ctx, hash); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.edits++
	e.slowest = max(e.slowest, time.Since(begin))
	return nil
}

// goOn waits for the next edit, and fails the test if the editing has stopped.
func (e *editors) goOn() {
	e.h.Helper()
	for before := e.count(); e.count() == before; time.Sleep(time.Millisecond) {
		e.check()
	}
}

// check fails the test if an edit took too long.
func (e *editors) check() {
	e.h.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failed != nil {
		e.h.Fatal(e.failed)
	}
}

func (e *editors) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.edits
}

func (e *editors) finish() {
	e.h.Helper()
	close(e.stop)
	e.owned.Wait()
	e.check()
	e.h.Logf("the well-behaved peers made %d edits, the slowest took %v to be acknowledged and seen", e.edits, e.slowest.Round(time.Millisecond))
}
