// Package node runs the real concord binary as a test instrument: build it, start it on a free port, stop it politely
// or with SIGKILL, and start it again on the same port and data.
package node

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// Binary builds cmd/concord without cgo, once per test process, and returns the path of the binary. If CONCORD_BINARY
// is set, it names the one to test instead, a released one say.
func Binary(tb testing.TB) string {
	tb.Helper()
	path, err := build()
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

var build = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("CONCORD_BINARY"); path != "" {
		return path, nil
	}
	root := moduleRoot()
	dir := filepath.Join(root, "bin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("build concord: %w", err)
	}
	// Test processes run side by side: each builds its own file and puts it in place in one step.
	temp := filepath.Join(dir, fmt.Sprintf("concord-test-%d", os.Getpid()))
	cmd := exec.Command("go", "build", "-o", temp, "./cmd/concord")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build concord: %w\n%s", err, out)
	}
	path := filepath.Join(dir, "concord-test")
	if err := os.Rename(temp, path); err != nil {
		return "", fmt.Errorf("build concord: %w", err)
	}
	return path, nil
})

// moduleRoot returns the folder of go.mod, found from this file's place.
func moduleRoot() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}
