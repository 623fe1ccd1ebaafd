package crdt

import (
	"math/rand/v2"
	"testing"
)

// lcsEdits is the least number of deletions and insertions that turn a into b.
func lcsEdits(a, b []uint32) int {
	row := make([]int, len(b)+1)
	for i := range row {
		row[i] = i
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			best := min(row[j], row[j+1]) + 1
			if a[i] == b[j] {
				best = diagonal
			}
			diagonal, row[j+1] = row[j+1], best
		}
	}
	return row[len(b)]
}

func checkEdits(t *testing.T, a, b []uint32, edits []edit) (cost int) {
	t.Helper()
	var got []uint32
	at, bAt := 0, 0
	for _, e := range edits {
		if e.aFrom < at || e.aTo < e.aFrom || e.bTo < e.bFrom || e.aFrom-at != e.bFrom-bAt || at > 0 && e.aFrom == at {
			t.Fatalf("edit %+v after %d and %d", e, at, bAt)
		}
		got = append(append(got, a[at:e.aFrom]...), b[e.bFrom:e.bTo]...)
		at, bAt = e.aTo, e.bTo
		cost += e.aTo - e.aFrom + e.bTo - e.bFrom
	}
	got = append(got, a[at:]...)
	if len(got) != len(b) {
		t.Fatalf("%d tokens, want %d", len(got), len(b))
	}
	for i := range got {
		if got[i] != b[i] {
			t.Fatalf("token %d is %d, want %d", i, got[i], b[i])
		}
	}
	return cost
}

func TestCompareTokensFindsShortestEdits(t *testing.T) {
	const seed = 7
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range 3000 {
		a, b := randomTokens(r, r.IntN(40), 1+r.IntN(6)), randomTokens(r, r.IntN(40), 1+r.IntN(6))
		if got, want := checkEdits(t, a, b, compareTokens(a, b)), lcsEdits(a, b); got != want {
			t.Fatalf("seed %d, case %d: %d edits, %d are enough\n%v\n%v", seed, i, got, want, a, b)
		}
	}
}

func TestCompareTokensBoundsItsWork(t *testing.T) {
	const seed, length = 8, 50_000
	r := rand.New(rand.NewPCG(seed, 1))
	for _, alphabet := range []int{2, 50, 1 << 30} {
		a, b := randomTokens(r, length, alphabet), randomTokens(r, length, alphabet)
		checkEdits(t, a, b, compareTokens(a, b))
	}
}

func randomTokens(r *rand.Rand, n, alphabet int) []uint32 {
	tokens := make([]uint32, n)
	for i := range tokens {
		tokens[i] = uint32(r.IntN(alphabet))
	}
	return tokens
}
