package e2e

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"concord/internal/testkit/node"
	"concord/internal/testkit/stock"
)

const (
	roundClients = 4
	rounds       = 300
	calmRounds   = 30 // the last ones, without disturbance: nobody is reconnected out of a stall …
	calmPause    = 2  // … and after so many of them all must agree, with no later edit to wake them
	roundPause   = 40 // ms on average; clients gather changes for up to 100 ms
	burners      = 3  // goroutines that keep the machine busy
)

// Four clients edit one document at random while their connections break, in mid-message too, and the node is killed,
// all on a busy machine. In the end all agree, and so does a client that gets everything from the node.
// E2E_SEED replays a run, as far as the schedule of several processes can be replayed.
func TestRandomRounds(t *testing.T) {
	seed := seed(t)
	stop := make(chan struct{})
	for range burners {
		go burn(stop)
	}
	t.Cleanup(func() { close(stop) })
	for _, m := range mixes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			o := &office{t: t, node: node.Start(t, node.Options{}), mix: m}
			newRoundTable(o, seed).play()
		})
	}
}

func seed(t *testing.T) uint64 {
	t.Helper()
	s := uint64(time.Now().UnixNano())
	if text := os.Getenv("E2E_SEED"); text != "" {
		var err error
		if s, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("E2E_SEED: %v", err)
		}
	}
	t.Logf("E2E_SEED=%d", s)
	return s
}

func burn(stop <-chan struct{}) {
	h := fnv.New64a()
	for {
		select {
		case <-stop:
			return
		default:
			for range 10_000 {
				fmt.Fprint(h, "work")
			}
		}
	}
}

// roundTable is where the four sit.
type roundTable struct {
	*office
	rnd     *rand.Rand
	url     string
	clients []*stock.Client
	proxies []*node.Proxy
	away    []int // rounds until the client comes back; 0 means it is there
}

func newRoundTable(o *office, seed uint64) *roundTable {
	r := &roundTable{office: o, rnd: rand.New(rand.NewPCG(seed, uint64(len(o.mix.name))))}
	for i := range roundClients {
		name := fmt.Sprint("client", i)
		proxy := node.NewProxy(o.t, o.node.Address)
		options := o.options(name)
		options.URL = proxy.SyncURL()
		if i%2 == 0 {
			options = withStorage(options, o.t.TempDir())
		}
		r.proxies = append(r.proxies, proxy)
		r.clients = append(r.clients, o.open(name, options))
		r.away = append(r.away, 0)
	}
	r.url = r.clients[0].Create(object{"map": object{}, "list": list{}, "text": "start", "count": stock.Counter(0)})
	for _, c := range r.clients {
		c.FindReady(r.url)
	}
	return r
}

func (r *roundTable) play() {
	crashes := map[int]bool{rounds / 3: true, rounds * 2 / 3: true}
	for round := range rounds {
		for i := range r.clients {
			r.edit(i, round)
			r.disturb(i, round >= rounds-calmRounds)
		}
		if crashes[round] {
			r.node.Kill()
			r.node.Run()
		}
		if round >= rounds-calmRounds/2 && round%calmPause == 0 {
			agree(r.t, r.url, r.clients...)
		}
		time.Sleep(time.Duration(r.rnd.IntN(2*roundPause)) * time.Millisecond)
	}
	converge(r.t, r.url, r.clients...)
	fresh := r.client("fresh")
	fresh.FindReady(r.url)
	converge(r.t, r.url, append(r.clients, fresh)...)
	for _, c := range r.clients {
		s := c.Stats()
		r.t.Logf("%s (%s): %d changes, %d connections", c.Name(), c.Generation(), c.History(r.url), s.Connects)
	}
	r.node.Stop()
	r.node.Check()
}

// edit lets a client make a random change, in two of three rounds.
func (r *roundTable) edit(i, round int) {
	if r.rnd.IntN(3) == 0 {
		return
	}
	position := r.rnd.IntN(1000)
	value := fmt.Sprintf("%d/%d", i, round)
	var e stock.Edit
	switch r.rnd.IntN(10) {
	case 0:
		if r.rnd.IntN(4) == 0 {
			// Big enough for a cut in mid-message, and for several reads of it.
			e = stock.Set(stock.P("map", "scan"), stock.Bytes(r.noise(1+r.rnd.IntN(40_000))))
			break
		}
		fallthrough
	case 1:
		e = stock.Set(stock.P("map", fmt.Sprint("k", r.rnd.IntN(5))), value)
	case 2:
		e = stock.Delete(stock.P("map", fmt.Sprint("k", r.rnd.IntN(5))))
	case 3:
		e = stock.Insert(stock.P("list"), position, object{"by": value}).Wrapped()
	case 4:
		e = stock.Remove(stock.P("list"), position, 1).Wrapped()
	case 5, 6, 7:
		e = stock.Splice(stock.P("text"), position, r.rnd.IntN(3), value+"é😀").Wrapped()
	case 8:
		e = stock.Mark(stock.P("text"), position, r.rnd.IntN(9), "bold", true).Wrapped()
	case 9:
		e = stock.Increment(stock.P("count"), r.rnd.IntN(9)-4)
	}
	r.clients[i].Change(r.url, e)
}

// noise returns n bytes that don't compress.
func (r *roundTable) noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.rnd.Uint32())
	}
	return b
}

// disturb breaks a client's connection now and then, unless it is to be calm, and mends it.
func (r *roundTable) disturb(i int, calm bool) {
	c := r.clients[i]
	if r.away[i] > 0 {
		if r.away[i]--; r.away[i] == 0 {
			c.Connect()
		}
		return
	}
	if calm {
		return
	}
	switch r.rnd.IntN(40) {
	case 0:
		c.Drop()
	case 1, 2:
		r.proxies[i].CutAfter(node.Up, r.rnd.IntN(700))
	case 3, 4:
		r.proxies[i].CutAfter(node.Down, r.rnd.IntN(700))
	case 7:
		r.proxies[i].CutAfter(node.Up, r.rnd.IntN(40_000))
	case 8:
		r.proxies[i].CutAfter(node.Down, r.rnd.IntN(40_000))
	case 5:
		c.Disconnect()
		r.away[i] = 1 + r.rnd.IntN(8)
	case 6:
		c.Unplug()
		r.away[i] = 1 + r.rnd.IntN(8)
	}
}
