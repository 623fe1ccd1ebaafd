package bench

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"concord/internal/testkit/node"
	"concord/internal/testkit/stock"
)

// small is a run that shows that everything works; its figures mean nothing.
func small(url string, out *bytes.Buffer) Options {
	return Options{URL: url, Out: out, Peers: []int{1, 2, 5}, Edits: 5, Documents: 3, Duration: 200 * time.Millisecond, Changes: 300, Connections: 20}
}

func TestRunPrintsEveryFigure(t *testing.T) {
	n := node.Start(t, node.Options{})
	var out bytes.Buffer
	o := small(n.SyncURL(), &out)
	o.Token = func(user string) string { return n.Token(node.Claims{Sub: user}) }
	o.PID = n.PID()
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err, out.String())
	}
	for _, want := range []string{"fan-out/peers=1 ", "fan-out/peers=5", "until at all peers", "closed/docs=3/clients=2", "first-sync/changes=300/V2", "first-sync/changes=300/V1", "idle/connections=20"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestRunWorksOnTheStockServer(t *testing.T) {
	var out bytes.Buffer
	if err := Run(t.Context(), small(stock.ReferenceServer(t, ""), &out)); err != nil {
		t.Fatal(err, out.String())
	}
	if !strings.Contains(out.String(), "not measured") {
		t.Errorf("the memory of an unknown process was measured:\n%s", out.String())
	}
}

func TestRunRunsOneScenario(t *testing.T) {
	n := node.Start(t, node.Options{})
	var out bytes.Buffer
	o := small(n.SyncURL(), &out)
	o.Token = func(user string) string { return n.Token(node.Claims{Sub: user}) }
	o.Scenario = ScenarioClosed
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); !strings.Contains(text, "closed/") || strings.Contains(text, "fan-out") {
		t.Errorf("got\n%s", text)
	}
}

func TestRunRefusesWrongOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"no URL":           {Out: &bytes.Buffer{}},
		"no output":        {URL: "ws://localhost"},
		"unknown scenario": {URL: "ws://localhost", Out: &bytes.Buffer{}, Scenario: "nonsense"},
		"negative size":    {URL: "ws://localhost", Out: &bytes.Buffer{}, Edits: -1},
	} {
		if err := Run(context.Background(), o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A wrong token must end the run with the server's words, not hang it.
func TestRunTellsWhyTheServerRefuses(t *testing.T) {
	n := node.Start(t, node.Options{})
	o := small(n.SyncURL(), &bytes.Buffer{})
	o.Token = func(string) string { return "no.to.ken" }
	err := Run(t.Context(), o)
	if err == nil || !strings.Contains(fmt.Sprint(err), "4401") {
		t.Errorf("got %v, want the server's close code", err)
	}
}
