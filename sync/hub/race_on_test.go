//go:build race

package hub

// memoryFactor is what the race detector adds to the heap.
const memoryFactor = 2
