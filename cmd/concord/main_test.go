package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if data := os.Getenv(fullDiskEnv); data != "" {
		os.Exit(serveOnFullDisk(data))
	}
	goleak.VerifyTestMain(m)
}

const testSecret = "a secret of more than thirty-two bytes"

// buffer is a stream that is written and read at the same time.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// command runs one command line to its end.
func command(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e buffer
	code = run(t.Context(), args, streams{&o, &e})
	return code, o.String(), e.String()
}

// succeed runs a command that must succeed, and returns what it prints.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errs := command(t, args...)
	if code != 0 {
		t.Fatalf("concord %s: exit code %d, %q", strings.Join(args, " "), code, errs)
	}
	return out
}

// fail runs a command that must fail and say something.
func fail(t *testing.T, want string, args ...string) {
	t.Helper()
	if code, _, errs := command(t, args...); code != 1 || errs == "" || !strings.Contains(errs, want) {
		t.Errorf("concord %s: exit code %d, %q; want %q", strings.Join(args, " "), code, errs, want)
	}
}

// server is a node that runs inside the test.
type server struct {
	url  string
	out  *buffer
	errs *buffer
	stop func() int // returns the exit code
}

func serve(t *testing.T, data string, args ...string) *server {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &server{out: &buffer{}, errs: &buffer{}}
	done := make(chan int, 1)
	args = append([]string{"serve", "--listen", "127.0.0.1:0", "--data", data, "--log-format", "json"}, args...)
	go func() { done <- run(ctx, args, streams{s.out, s.errs}) }()
	s.stop = sync.OnceValue(func() int {
		cancel()
		return <-done
	})
	t.Cleanup(func() { s.stop() })
	address := regexp.MustCompile(`"msg":"listening","address":"([^"]+)"`)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if m := address.FindStringSubmatch(s.errs.String()); m != nil {
			s.url = "http://" + m[1]
			return s
		}
		if len(done) > 0 || time.Now().After(deadline) {
			t.Fatalf("the server doesn't listen:\n%s", s.errs)
		}
	}
}

// ticket asks the server for a ticket and returns the status.
func (s *server) ticket(t *testing.T, token string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/tickets", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

func TestTokenOpensTheServer(t *testing.T) {
	t.Setenv("CONCORD_JWT_SECRET", testSecret)
	code, token, errs := command(t, "token", "--sub", "alice", "--company", "acme", "--role", "viewer")
	if code != 0 || strings.Count(token, ".") != 2 || strings.TrimSpace(token) != strings.TrimSuffix(token, "\n") {
		t.Fatalf("token: %d %q %q", code, token, errs)
	}
	s := serve(t, t.TempDir())
	if status := s.ticket(t, strings.TrimSpace(token)); status != http.StatusOK {
		t.Errorf("a token of the same secret is answered %d", status)
	}
	_, foreign, _ := command(t, "token", "--sub", "alice", "--company", "acme", "--jwt-secret", testSecret+"!")
	if status := s.ticket(t, strings.TrimSpace(foreign)); status != http.StatusUnauthorized {
		t.Errorf("a token of another secret is answered %d", status)
	}
	if code := s.stop(); code != 0 {
		t.Errorf("stopped with %d: %s", code, s.errs)
	}
}

// A token with an empty list of documents would open none.
func TestTokenIsNarrowedToDocuments(t *testing.T) {
	t.Setenv("CONCORD_JWT_SECRET", testSecret)
	claims := func(args ...string) string {
		t.Helper()
		token := succeed(t, append([]string{"token", "--sub", "alice", "--company", "acme"}, args...)...)
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
		if err != nil {
			t.Fatal(err)
		}
		return string(payload)
	}
	if c := claims(); strings.Contains(c, "docs") {
		t.Errorf("a token for all documents has %s", c)
	}
	const document = "4NMNnkMhL8jXrdJ9jamS58PAVdXu"
	for _, text := range []string{document, "automerge:" + document} {
		if c := claims("--docs", text); !strings.Contains(c, `"docs":["`+document+`"]`) {
			t.Errorf("a token for %s has %s", text, c)
		}
	}
}

func TestDevPrintsWhatToPaste(t *testing.T) {
	s := serve(t, t.TempDir(), "--dev")
	var out string
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(out, "Ctrl-C"); out = s.out.String() {
		if time.Now().After(deadline) {
			t.Fatalf("printed:\n%s", out)
		}
		time.Sleep(time.Millisecond)
	}
	for _, name := range []string{"ALICE_TOKEN", "BOB_TOKEN"} {
		m := regexp.MustCompile(name + `=(\S+)`).FindStringSubmatch(out)
		if m == nil {
			t.Fatalf("no %s in:\n%s", name, out)
		}
		if status := s.ticket(t, m[1]); status != http.StatusOK {
			t.Errorf("%s is answered %d", name, status)
		}
	}
	if !strings.Contains(out, "CONCORD_URL="+s.url) || !strings.Contains(out, "examples/invoice/invoice.mjs") {
		t.Errorf("the command to paste is missing:\n%s", out)
	}
	if _, err := os.Stat(filepath.Join("..", "..", "examples", "invoice", "invoice.mjs")); err != nil {
		t.Error(err)
	}
}

func TestMistakesAreExplained(t *testing.T) {
	t.Setenv("CONCORD_JWT_SECRET", "") // an empty variable counts as none
	unsetEmpty()
	busy := serve(t, t.TempDir(), "--jwt-secret", testSecret)
	locked := t.TempDir()
	serve(t, locked, "--jwt-secret", testSecret)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"no key":             {[]string{"serve"}, 2, []string{"CONCORD_JWT_SECRET", "--dev"}},
		"short secret":       {[]string{"serve", "--jwt-secret", "short"}, 2, []string{"32"}},
		"unknown flag":       {[]string{"serve", "--liste", "x"}, 2, []string{"--liste", "--help"}},
		"port taken":         {[]string{"serve", "--jwt-secret", testSecret, "--data", t.TempDir(), "--listen", strings.TrimPrefix(busy.url, "http://")}, 1, []string{"--listen"}},
		"folder in use":      {[]string{"serve", "--jwt-secret", testSecret, "--data", locked, "--listen", "127.0.0.1:0"}, 1, []string{locked, "--data"}},
		"folder is a file":   {[]string{"serve", "--jwt-secret", testSecret, "--data", file, "--listen", "127.0.0.1:0"}, 1, []string{file, "--data"}},
		"bad origin":         {[]string{"serve", "--jwt-secret", testSecret, "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--allow-origin", "erp.example.com"}, 1, []string{"--allow-origin", "erp.example.com"}},
		"token, no secret":   {[]string{"token", "--sub", "a", "--company", "b"}, 1, []string{"CONCORD_JWT_SECRET"}},
		"token, no document": {[]string{"token", "--sub", "a", "--company", "b", "--docs", "order-1", "--jwt-secret", testSecret}, 1, []string{"--docs", "order-1"}},
		"check, in use":      {[]string{"check", locked}, 1, []string{"stop the server"}},
		"check, nothing":     {[]string{"check", filepath.Join(t.TempDir(), "none")}, 1, []string{"none", "data folder"}},
	} {
		code, _, errs := command(t, c.args...)
		if code != c.code {
			t.Errorf("%s: exit code %d, want %d: %s", name, code, c.code, errs)
		}
		for _, text := range c.says {
			if !strings.Contains(errs, text) {
				t.Errorf("%s: %q isn't in: %s", name, text, errs)
			}
		}
	}
}

func TestCheckFindsDamage(t *testing.T) {
	data := t.TempDir()
	s := serve(t, data, "--jwt-secret", testSecret)
	if code := s.stop(); code != 0 {
		t.Fatal(s.errs)
	}
	code, out, errs := command(t, "check", data)
	if code != 0 || !strings.Contains(out, "as it should be") {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	file := filepath.Join(data, "concord.db")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(content, []byte("storage-id"))
	if at < 0 {
		t.Fatal("the storage ID's record isn't in the file")
	}
	for i := at; i < at+40; i++ {
		content[i] ^= 0x40
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs = command(t, "check", data)
	if code != 1 || !strings.Contains(out+errs, "damaged") {
		t.Errorf("after damage: %d %s %s", code, out, errs)
	}
}

// What fetches the keys in the background ends with the server; TestMain looks
// for what is left.
func TestKeysByURL(t *testing.T) {
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[]}`)) }))
	defer keys.Close()
	s := serve(t, t.TempDir(), "--jwks-url", keys.URL)
	if code := s.stop(); code != 0 {
		t.Errorf("stopped with %d: %s", code, s.errs)
	}
}

func TestVersionAndHelp(t *testing.T) {
	for _, args := range [][]string{{"--version"}, {"--help"}, {"serve", "--help"}} {
		if code, out, errs := command(t, args...); code != 0 || !strings.Contains(strings.ToLower(out), "concord") {
			t.Errorf("%v: %d %q %q", args, code, out, errs)
		}
	}
}

func TestLogsAreJSON(t *testing.T) {
	s := serve(t, t.TempDir(), "--jwt-secret", testSecret)
	s.stop()
	for line := range strings.Lines(s.errs.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
}
