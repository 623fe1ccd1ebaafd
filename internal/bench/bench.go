// Package bench drives a server of the automerge-repo WebSocket protocol, this one or another, and prints figures. It
// sees nothing but the wire, so that two servers measured in one run can be compared by ratio.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"concord/internal/peer"
)

// Scenarios that Run knows, in the order of "all".
const (
	ScenarioFanOut    = "fan-out"    // one document: an edit until it is durable and at all its peers
	ScenarioClosed    = "closed"     // many documents of two clients each, that edit as fast as they are acknowledged
	ScenarioConflicts = "conflicts"  // the same, all of them at one field of the document: every write is a conflict
	ScenarioFirstSync = "first-sync" // a client without anything gets a document with a long history
	ScenarioIdle      = "idle"       // memory of connections that have joined and are silent
)

// Scenarios returns the names that Options.Scenario takes besides "all".
func Scenarios() []string {
	return []string{ScenarioFanOut, ScenarioClosed, ScenarioConflicts, ScenarioFirstSync, ScenarioIdle}
}

// Options says what to measure. URL and Out are required; zero values mean the defaults.
type Options struct {
	URL   string                   // ws:// or wss:// address of the sync endpoint
	Token func(user string) string // makes a bearer token for a user; nil = the server asks for none

	Scenario string // one of Scenarios; "" or "all" = each of them
	Out      io.Writer

	Peers       []int         // of fan-out; 2, 50, 500
	Edits       int           // of fan-out, for each number of peers; 200
	Documents   int           // of closed; 100
	Duration    time.Duration // of closed; 10 s
	Changes     int           // of first-sync; 20,000
	Connections int           // of idle; 10,000

	PID int // the server's process on this machine, for its resident memory; 0 = idle is left out
}

func (o Options) withDefaults() Options {
	def := func(p *int, n int) {
		if *p == 0 {
			*p = n
		}
	}
	if len(o.Peers) == 0 {
		o.Peers = []int{2, 50, 500}
	}
	def(&o.Edits, 200)
	def(&o.Documents, 100)
	def(&o.Changes, 20_000)
	def(&o.Connections, 10_000)
	if o.Duration == 0 {
		o.Duration = 10 * time.Second
	}
	if o.Token == nil {
		o.Token = func(string) string { return "" }
	}
	return o
}

func (o Options) validate() error {
	switch {
	case o.URL == "":
		return errors.New("bench: no URL of a sync endpoint")
	case o.Out == nil:
		return errors.New("bench: nowhere to write")
	case o.Edits < 0, o.Documents < 0, o.Changes < 0, o.Connections < 0, o.Duration < 0, slices.ContainsFunc(o.Peers, func(n int) bool { return n < 1 }):
		return errors.New("bench: sizes must not be negative")
	case o.Scenario != "" && o.Scenario != "all" && !slices.Contains(Scenarios(), o.Scenario):
		return fmt.Errorf("bench: no scenario %q; there are %s and all", o.Scenario, strings.Join(Scenarios(), ", "))
	}
	return nil
}

// Run measures and prints one table. It stops at the first error, after what was measured until then.
func Run(ctx context.Context, o Options) error {
	if err := o.validate(); err != nil {
		return err
	}
	o = o.withDefaults()
	r := &report{out: o.Out}
	r.row("scenario", "figure", "value")
	scenarios := map[string]func(context.Context, Options, *report) error{
		ScenarioFanOut: fanOut, ScenarioClosed: closed, ScenarioConflicts: conflicts, ScenarioFirstSync: firstSync, ScenarioIdle: idle,
	}
	for _, name := range Scenarios() {
		if o.Scenario == name || o.Scenario == "" || o.Scenario == "all" {
			if err := scenarios[name](ctx, o, r); err != nil {
				return fmt.Errorf("bench %s: %w", name, err)
			}
		}
	}
	return nil
}

// report is the table of figures. Its columns have fixed widths, so that each row shows as soon as it is measured.
type report struct{ out io.Writer }

func (r *report) row(scenario, figure, value string) {
	fmt.Fprintf(r.out, "%-30s  %-27s  %s\n", scenario, figure, value)
}

// latencies prints the usual percentiles.
func (r *report) latencies(scenario, what string, all []time.Duration) {
	if len(all) == 0 {
		r.row(scenario, what, "no samples")
		return
	}
	slices.Sort(all)
	at := func(p float64) time.Duration {
		return all[min(len(all)-1, int(p*float64(len(all))))].Round(10 * time.Microsecond)
	}
	r.row(scenario, what, fmt.Sprintf("p50 %v   p95 %v   p99 %v   max %v   (%d samples)", at(0.50), at(0.95), at(0.99), at(1), len(all)))
}

// connect dials n peers, some at a time. configure may change the options of each. On an error none is left.
func connect(ctx context.Context, o Options, n int, configure func(i int, po *peer.Options)) ([]*peer.Peer, error) {
	peers := make([]*peer.Peer, n)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(32)
	for i := range peers {
		group.Go(func() error {
			// A user each: limits per user are not what is measured.
			po := peer.Options{URL: o.URL, Token: o.Token(fmt.Sprint("bench-", i))}
			if configure != nil {
				configure(i, &po)
			}
			p, err := peer.Dial(ctx, po)
			peers[i] = p
			return err
		})
	}
	if err := group.Wait(); err != nil {
		drop(peers)
		return nil, err
	}
	return peers, nil
}

func drop(peers []*peer.Peer) {
	for _, p := range peers {
		if p != nil {
			p.Drop()
		}
	}
}

func bytesText(n float64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", n/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", n/(1<<10))
	}
	return fmt.Sprintf("%.0f B", n)
}
