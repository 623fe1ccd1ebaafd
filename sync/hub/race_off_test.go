//go:build !race

package hub

const memoryFactor = 1
