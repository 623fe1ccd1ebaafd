package crdt

import (
	"slices"
	"testing"
)

// TestCellAgainstList adds and hides rows in random order.
func TestCellAgainstList(t *testing.T) {
	rng := newRand(t)
	var actors actorTable
	actors.add("a")
	for range 50 {
		var c cell
		var want []row // ascending
		n := 1 + rng.IntN(1000)
		for _, counter := range rng.Perm(n) {
			r := row{id: newLamport(uint32(counter+1), 0), action: ActionSet}
			if rng.IntN(3) == 0 {
				r.action = ActionIncrement
			}
			c.add(&actors, r)
			at, _ := slices.BinarySearchFunc(want, r.id, func(r row, id lamport) int { return actors.compare(r.id, id) })
			want = slices.Insert(want, at, r)
			for range rng.IntN(3) {
				at := rng.IntN(len(want))
				found, block := c.locate(&actors, want[at].id)
				c.hide(found, block)
				want[at].flags |= rowHidden
			}
			compareCell(t, &c, want, 1+rng.IntN(100))
		}
	}
}

func compareCell(t *testing.T, c *cell, want []row, last int) {
	t.Helper()
	shown := slices.DeleteFunc(slices.Clone(want), func(r row) bool { return !r.shown() })
	if c.shown() != len(shown) {
		t.Fatalf("%d are shown, want %d", c.shown(), len(shown))
	}
	if w := c.winner(); len(shown) == 0 && w != nil || len(shown) > 0 && (w == nil || w.id != shown[len(shown)-1].id) {
		t.Fatal("another row wins")
	}
	var got []row
	c.lastShown(last, func(r *row) bool { got = append(got, *r); return true })
	if from := max(0, len(shown)-last); !slices.Equal(got, shown[from:]) {
		t.Fatalf("the last %d of %d shown rows are others", last, len(shown))
	}
	if len(want)%100 != 0 {
		return
	}
	got = got[:0]
	for r := range c.all {
		got = append(got, *r)
	}
	if !slices.Equal(got, want) {
		t.Fatal("other rows")
	}
}

// TestCellInHostileOrder has rows arrive so that each would get a block of its own.
func TestCellInHostileOrder(t *testing.T) {
	const n = 10_000
	var actors actorTable
	actors.add("a")
	for name, counter := range map[string]func(i int) int{
		"down": func(i int) int { return n - i },
		"down behind a full block": func(i int) int {
			if i < maxRowBlock {
				return i + 1
			}
			return n + maxRowBlock - i
		},
		"down behind a full block, below others": func(i int) int {
			if i < 2*maxRowBlock {
				return i%maxRowBlock + 1 + i/maxRowBlock*2*n
			}
			return n + maxRowBlock - i/2
		},
	} {
		t.Run(name, func(t *testing.T) {
			var c cell
			seen := make(map[int]bool)
			for i := range n {
				if at := counter(i); !seen[at] {
					seen[at] = true
					c.add(&actors, row{id: newLamport(uint32(at), 0), action: ActionSet})
				}
			}
			if most := 2*len(seen)/maxRowBlock + 3; len(c.many.blocks) > most {
				t.Errorf("%d rows in %d blocks, want at most %d", len(seen), len(c.many.blocks), most)
			}
		})
	}
}
