package crdt

const (
	blockBits = 12
	blockSize = 1 << blockBits
	minBlock  = 16 // elements, of a first block that grows
)

// blocks is a list that grows without moving most of what it holds, a block at a
// time, so that its size follows what was read and not what the input claims.
type blocks[T any] struct {
	list [][]T
	hint int // expected length; 0 = unknown
}

func (b *blocks[T]) len() int {
	n := len(b.list)
	if n == 0 {
		return 0
	}
	return (n-1)<<blockBits + len(b.list[n-1])
}

// add appends a zero element and returns it; the next call may move it.
func (b *blocks[T]) add() *T {
	n := len(b.list)
	if n == 0 || len(b.list[n-1]) == blockSize {
		b.list = append(b.list, make([]T, 0, b.nextSize()))
		n++
	}
	last := append(b.list[n-1], *new(T))
	b.list[n-1] = last
	return &last[len(last)-1]
}

func (b *blocks[T]) nextSize() int {
	switch rest := b.hint - len(b.list)<<blockBits; {
	case rest > 0:
		return min(rest, blockSize)
	case len(b.list) == 0:
		return minBlock
	}
	return blockSize
}

func (b *blocks[T]) at(i int) *T { return &b.list[i>>blockBits][i&(blockSize-1)] }
