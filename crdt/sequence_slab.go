package crdt

import "unsafe"

// slab holds items of one type in chunks, so that growing never copies much and
// handles stay valid. Handles count from 1; 0 names no item. A pointer to an
// item is valid until the next add.
type slab[T any] struct {
	chunks [][]T
}

const (
	slabBits  = 8
	slabChunk = 1 << slabBits // items per chunk
)

func (s *slab[T]) at(h uint32) *T {
	h--
	return &s.chunks[h>>slabBits][h%slabChunk]
}

// add appends a zero item.
func (s *slab[T]) add() uint32 {
	last := len(s.chunks) - 1
	if last < 0 || len(s.chunks[last]) == slabChunk {
		size := 1
		if last >= 0 {
			size = slabChunk
		}
		s.chunks = append(s.chunks, make([]T, 0, size))
		last++
	}
	var zero T
	s.chunks[last] = append(s.chunks[last], zero)
	return uint32(last*slabChunk + len(s.chunks[last]))
}

// size returns the bytes of memory that the slab holds besides itself.
func (s *slab[T]) size() int {
	if len(s.chunks) == 0 {
		return 0
	}
	var item T
	items := cap(s.chunks[0]) + (len(s.chunks)-1)*slabChunk
	return items*int(unsafe.Sizeof(item)) + cap(s.chunks)*int(unsafe.Sizeof(s.chunks[0]))
}
