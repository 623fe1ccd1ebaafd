package stock

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
)

// ReferenceServer runs the stock Node sync server (generation V2) until the test ends and returns the URL to connect
// to. Storage "" means none. It serves to check the tests themselves and to compare figures.
func ReferenceServer(tb testing.TB, storage string) string {
	tb.Helper()
	args := []string{filepath.Join(scripts(), string(V2), "reference-server.mjs")}
	if storage != "" {
		args = append(args, "--storage", storage)
	}
	cmd := exec.Command("node", args...)
	var stderr tail
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(fmt.Errorf("start the reference server: %w", err))
	}
	tb.Cleanup(func() {
		stdin.Close()
		// Its exit status says nothing: it is ended, not asked.
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		tb.Fatalf("reference server: %v\n%s", err, stderr.String())
	}
	var ready struct{ Address string }
	if err := json.Unmarshal(line, &ready); err != nil {
		tb.Fatalf("reference server said %q: %v", line, err)
	}
	return "ws://" + ready.Address + "/"
}
