package node

import (
	"os"
	"strconv"
	"testing"
)

// Setting returns the number in an environment variable that sizes or seeds a
// test, or fallback if it isn't set. A value that is no number from 1 fails the test.
func Setting(tb testing.TB, name string, fallback int) int {
	tb.Helper()
	text := os.Getenv(name)
	if text == "" {
		return fallback
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		tb.Fatalf("%s=%q: give a number from 1", name, text)
	}
	return n
}
