package ledger

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"concord/conflict"
	"concord/internal/peer"
	"concord/internal/testkit/node"
	"concord/store"
)

// killsPerSet is how often a node is killed while it gets the same samples.
const killsPerSet = 5

// A node that is killed again and again while changes come in has the same
// ledger in the end, and its events tell the same. LEDGER_KILLS is how often, LEDGER_SEED what decides on
// histories and times.
func TestLedgerSurvivesKills(t *testing.T) {
	kills, seed := node.Setting(t, "LEDGER_KILLS", 5), uint64(node.Setting(t, "LEDGER_SEED", 1))
	t.Logf("LEDGER_KILLS=%d LEDGER_SEED=%d", kills, seed)
	judge, err := NewJudge()
	if err != nil {
		t.Fatal(err)
	}
	defer judge.Close()
	n := node.Start(t, node.Options{Env: []string{"CONCORD_SNAPSHOT_CHANGES=5", "CONCORD_DOCUMENT_CACHE=1MiB"}})
	s := &siege{t: t, node: n, rng: rand.New(rand.NewPCG(seed, 2))}
	for set := range (kills + killsPerSet - 1) / killsPerSet {
		samples, err := judge.Samples(seed, 1<<40+uint64(set)*batchSize, batchSize/2)
		if err != nil {
			t.Fatal(err)
		}
		s.begin(samples)
		for range min(killsPerSet, kills-set*killsPerSet) {
			s.storm()
		}
		s.finish()
	}
	n.Stop()
	n.Check()
	s.compare()
}

// siege is a node with many clients, that is killed.
type siege struct {
	t       *testing.T
	node    *node.Node
	rng     *rand.Rand
	current []*delivery
	all     []*delivery
}

func (s *siege) begin(samples []*Sample) {
	s.current = nil
	for _, sample := range samples {
		rng := rand.New(rand.NewPCG(s.rng.Uint64(), sample.Number))
		s.current = append(s.current, newDelivery(fmt.Sprintf("company-%d", sample.Number), sample, rng))
	}
	s.all = append(s.all, s.current...)
}

// storm has everybody send, and kills the node meanwhile.
func (s *siege) storm() {
	ctx, cancel := context.WithCancel(s.t.Context())
	var senders sync.WaitGroup
	for _, d := range s.current {
		p := s.dial(d)
		senders.Go(func() {
			defer p.Drop()
			for ctx.Err() == nil && d.offer(ctx, p) == nil {
				time.Sleep(time.Duration(d.rng.IntN(10)) * time.Millisecond)
			}
		})
	}
	time.Sleep(time.Duration(s.rng.IntN(150)) * time.Millisecond)
	s.node.Kill()
	cancel()
	senders.Wait()
	s.node.Run()
}

func (s *siege) dial(d *delivery) *peer.Peer {
	s.t.Helper()
	user := users[d.rng.IntN(len(users))]
	p, err := peer.Dial(s.t.Context(), peer.Options{
		URL: s.node.SyncURL(), Token: s.node.Token(node.Claims{Sub: user, Company: d.key.Company}), PeerID: user,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// offer sends a part of the history, which the node may have.
func (d *delivery) offer(ctx context.Context, p *peer.Peer) error {
	if len(d.parcels) == 0 {
		d.cut(d.order())
	}
	parcel := d.parcels[0]
	d.parcels = d.parcels[1:]
	chunks := d.chunks(parcel)
	if d.rng.IntN(4) == 0 {
		chunks = [][]byte{d.document(parcel)}
	}
	return p.Send(ctx, syncFrame(p.ID, d.key.Document, message(d.sample.Changes[0].Hash, chunks...)).Append(nil))
}

// finish sends everything and waits until it has come back.
func (s *siege) finish() {
	s.t.Helper()
	for _, d := range s.current {
		p := s.dial(d)
		everything := make([]int, len(d.sample.Changes))
		for i := range everything {
			everything[i] = i
		}
		frame := syncFrame(p.ID, d.key.Document, message(d.sample.Changes[0].Hash, d.chunks(everything)...))
		if err := p.Send(s.t.Context(), frame.Append(nil)); err != nil {
			s.t.Fatal(err)
		}
		reader, err := peer.Dial(s.t.Context(), peer.Options{URL: s.node.SyncURL(), Token: s.node.Token(node.Claims{Sub: "reader", Company: d.key.Company})})
		if err != nil {
			s.t.Fatal(err)
		}
		got := reader.Open(d.key.Document)
		for _, c := range d.sample.Changes {
			if err := got.WaitFor(s.t.Context(), c.Hash); err != nil {
				s.t.Fatalf("sample %d: change %v: %v", d.sample.Number, c.Hash, err)
			}
		}
		reader.Drop()
		p.Drop()
	}
}

// compare reads the ledger of the stopped node.
func (s *siege) compare() {
	st, err := store.OpenReadOnly(s.node.Data)
	if err != nil {
		s.t.Fatal(err)
	}
	defer st.Close()
	l := conflict.New(st)
	conflicts := 0
	for _, d := range s.all {
		got, err := records(l, d.key.Company)
		if err != nil {
			s.t.Errorf("sample %d: %v", d.sample.Number, err)
			continue
		}
		conflicts += len(d.sample.Records)
		if diff := Compare(got, d.sample.Records); diff != "" {
			s.t.Errorf("sample %d:\n%s", d.sample.Number, diff)
		}
		if diff, err := told(st, l, d.key.Company, got); diff != "" || err != nil {
			s.t.Errorf("events of sample %d: %v\n%s", d.sample.Number, err, diff)
		}
	}
	s.t.Logf("%d conflicts of %d histories", conflicts, len(s.all))
	if conflicts == 0 {
		s.t.Error("there was no conflict: the test shows nothing")
	}
}
