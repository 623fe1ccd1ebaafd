//go:build unix

package api

import "golang.org/x/sys/unix"

// newGiant returns a buffer outside the garbage-collected heap: it takes memory
// only where it is written, doesn't let the heap's target grow, and can be
// emptied at once.
func newGiant(size int) []byte {
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return make([]byte, size)
	}
	return b
}

// emptyGiant gives the memory of a buffer back. What still refers to it reads
// zeros; the buffer stays usable.
func emptyGiant(b []byte) {
	_ = unix.Madvise(b, unix.MADV_DONTNEED) // fails for a buffer on the heap
}
