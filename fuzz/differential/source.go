package differential

import (
	"fmt"
	"math/rand/v2"

	"concord/fuzz/history"
	"concord/fuzz/oracle"
)

// batchSize is how many cases are asked about at once.
const batchSize = 50

// engines are the reference implementations of one worker.
type engines struct{ js, golang *oracle.Engine }

func startEngines() (engines, error) {
	js, err := oracle.JS()
	if err != nil {
		return engines{}, err
	}
	golang, err := oracle.Go()
	return engines{js, golang}, err
}

func (e engines) close() {
	e.js.Close()
	e.golang.Close()
}

// samples returns the cases from number first on. Of ten batches, one has been
// written with automerge-js, one with automerge-go, one with crdt, the others op
// by op.
func (e engines) samples(seed, first uint64, n int) ([]*sample, error) {
	written := [][][]byte{}
	var err error
	source := "raw"
	switch first / batchSize % 10 {
	case 3:
		source = e.js.Name()
		written, err = e.js.Author(seed<<20+first, n)
	case 5:
		source = "concord"
	case 6:
		source = e.golang.Name()
		written, err = e.golang.Author(seed<<20+first, n)
	}
	if err != nil {
		return nil, err
	}
	list := make([]*sample, n)
	for i := range list {
		rng := rand.New(rand.NewPCG(seed, first+uint64(i)))
		var h *history.History
		switch {
		case source == "raw":
			h, err = history.Random(rng, shape(rng))
		case source == "concord":
			h, err = author(rng)
		default:
			h, err = history.Parse(written[i])
		}
		if err != nil {
			return nil, fmt.Errorf("case %d, %s: %w", first+uint64(i), source, err)
		}
		list[i] = newSample(source, h, rng, 2)
	}
	return list, nil
}

// beyondGo is what automerge-go can't load again after it has saved it.
const beyondGo = history.OddChildFirst | history.OddDepsOrder | history.OddOperand

// shape makes one history of fifty long, and half of them fit for automerge-go.
func shape(rng *rand.Rand) history.Shape {
	var s history.Shape
	if rng.IntN(50) == 0 {
		s.Ops = 300
	}
	if rng.IntN(2) == 0 {
		s.Without = beyondGo
	}
	return s
}

// bigSample is a document for a round trip: longer than others, and with 200
// earlier heads.
func (e engines) bigSample(seed, number uint64) (*sample, error) {
	rng := rand.New(rand.NewPCG(seed, 1<<63+number))
	source, h, err := "raw", (*history.History)(nil), error(nil)
	if number%4 == 3 {
		source = "concord"
		h, err = author(rng)
	} else {
		h, err = history.Random(rng, history.Shape{Ops: 100 + rng.IntN(200)})
	}
	if err != nil {
		return nil, err
	}
	return newSample(source, h, rng, 200), nil
}
