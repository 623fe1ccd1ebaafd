package doctest

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"concord/internal/testkit/node"
)

// A stream ends for the test after a moment, and a call that is refused ends the script.
const curlOfTests = `
set -e
curl() {
	command curl --fail-with-body --silent --show-error --max-time 2 "$@" || { code=$?; [ $code = 28 ] || { echo "curl: $code" >&2; return $code; }; }
	echo
}
`

// TestEventsPage runs the commands of docs/events.md against a real node, in one shell.
func TestEventsPage(t *testing.T) {
	commands := blocks(read(t, "docs/events.md"), "sh")
	if len(commands) != 6 {
		t.Fatalf("%d blocks of commands", len(commands))
	}
	n := node.Start(t, node.Options{})
	code := curlOfTests + strings.Join(commands, "\necho; echo -----\n")
	code = strings.NewReplacer("http://127.0.0.1:8080", n.URL(""), "bin/concord", node.Binary(t)).Replace(code)
	ctx, cancel := context.WithTimeout(t.Context(), sampleTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", code)
	cmd.Env = append(os.Environ(), "CONCORD_JWT_SECRET="+node.Secret)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	parts := strings.Split(string(out), "\n-----\n")
	for i, want := range [][]string{
		{"event: hello", `"user":"alice"`, `"device":"alices-terminal"`},
		{`"events":[{"id":"`, `"cursor":"`},
		{`"type":"stock:updated"`, `"sku":"BOLT-M8"`},
		{`"title": "Invoice paid"`},
		{`"read":[{"user":"alice"`},
		{`"user":"alice"`, `"online":`},
	} {
		for _, text := range want {
			if !strings.Contains(parts[i], text) {
				t.Errorf("the commands of block %d print no %s:\n%s", i+1, text, parts[i])
			}
		}
	}
	if strings.Contains(parts[2], "invoice:paid") {
		t.Errorf("what came before the cursor came again:\n%s", parts[2])
	}
}
