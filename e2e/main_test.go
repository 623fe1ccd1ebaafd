package e2e

import (
	"flag"
	"os"
	"sync"
	"testing"

	"concord/internal/testkit/stock"
)

// The driver processes are shared by all tests: starting one costs most of a second.
var drivers = map[stock.Generation]func() (*stock.Process, error){
	stock.V1: sync.OnceValues(func() (*stock.Process, error) { return launch(stock.V1) }),
	stock.V2: sync.OnceValues(func() (*stock.Process, error) { return launch(stock.V2) }),
}

var launched struct {
	sync.Mutex
	processes []*stock.Process
}

func launch(g stock.Generation) (*stock.Process, error) {
	p, err := stock.Launch(g)
	if err != nil {
		return nil, err
	}
	launched.Lock()
	defer launched.Unlock()
	launched.processes = append(launched.processes, p)
	return p, nil
}

func driver(t *testing.T, g stock.Generation) *stock.Process {
	t.Helper()
	p, err := drivers[g]()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// waiters is how many tests run at a time unless -parallel says otherwise: they wait more than they work.
const waiters = "6"

func TestMain(m *testing.M) {
	flag.Parse()
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if !chosen {
		if err := flag.Set("test.parallel", waiters); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	for _, p := range launched.processes {
		p.Stop()
	}
	os.Exit(code)
}
