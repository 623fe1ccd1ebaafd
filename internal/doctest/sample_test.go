package doctest

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"concord/internal/testkit/node"
)

// sampleTimeout is generous: a sample takes a second on an idle machine.
const sampleTimeout = 60 * time.Second

// TestSample runs README.md's client code against a real node: alice creates a document and hears that it is on disk;
// bob finds it, with the same adapter.
func TestSample(t *testing.T) {
	samples := blocks(section(t, read(t, "README.md"), "## Connect a client"), "js")
	if len(samples) != 2 {
		t.Fatalf("%d samples, want the connection and the edit", len(samples))
	}
	connect, edit := samples[0], samples[1]
	n := node.Start(t, node.Options{})

	saved := script(t, n, "alice", connect+edit, "on the server's disk: ")
	url := saved[strings.LastIndex(saved, " ")+1:]
	if !strings.HasPrefix(url, "automerge:") {
		t.Fatalf("the sample printed %q", saved)
	}
	found := script(t, n, "bob", connect+`
		const order = await repo.find("`+url+`")
		console.log("found", order.doc().number, order.doc().lines[0].item)
	`, "found ")
	if found != "found 4711 Espresso machine" {
		t.Errorf("bob printed %q", found)
	}
}

// script runs code as a user and returns the first line that begins with a prefix, without waiting for the end.
func script(t *testing.T, n *node.Node, user, code, prefix string) string {
	t.Helper()
	dir := filepath.Join(root, "examples", "invoice")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		t.Fatalf("%v: run \"make deps\"", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), sampleTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "--input-type=module", "-e", code)
	cmd.Dir = dir // where its packages are found
	cmd.Env = append(os.Environ(), "CONCORD_URL="+n.URL(""), "ALICE_TOKEN="+n.Token(node.Claims{Sub: user}))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var found string
	var printed []string
	for lines := bufio.NewScanner(stdout); found == "" && lines.Scan(); {
		printed = append(printed, lines.Text())
		if strings.HasPrefix(lines.Text(), prefix) {
			found = lines.Text()
		}
	}
	cancel()
	_ = cmd.Wait() // it was killed
	if found == "" {
		t.Fatalf("%s's program printed no line %q…:\n%s\n%s", user, prefix, strings.Join(printed, "\n"), stderr.String())
	}
	return found
}
