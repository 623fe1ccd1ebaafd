package crdt

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// newRand returns a source of randomness. Its seed is printed when the test
// fails; CRDT_SEED=seed repeats the run.
func newRand(tb testing.TB) *rand.Rand {
	tb.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("CRDT_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			tb.Fatal(err)
		}
	}
	tb.Logf("CRDT_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// otherOrder returns the changes in a random order in which dependencies come first.
func otherOrder(rng *rand.Rand, changes []*Change) []*Change {
	known := make(map[Hash]bool)
	left := append([]*Change(nil), changes...)
	var order []*Change
	for len(left) > 0 {
		i := rng.IntN(len(left))
		for ready := false; !ready; {
			ready = true
			for _, d := range left[i].Deps {
				if !known[d] {
					ready = false
				}
			}
			if !ready {
				i = (i + 1) % len(left)
			}
		}
		known[left[i].Hash] = true
		order = append(order, left[i])
		left = append(left[:i], left[i+1:]...)
	}
	return order
}
