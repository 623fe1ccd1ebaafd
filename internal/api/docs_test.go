package api

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// A browser shows the page without a complaint, where it reaches nothing but the
// server: every operation, with a way to it and its examples.
func TestDocsInABrowser(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("chromium is needed; make deps installs it: %v", err)
	}
	r := newRig(t, settings{})
	var mu sync.Mutex
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		mu.Lock()
		asked = append(asked, q.URL.Path)
		mu.Unlock()
		r.api.Handler().ServeHTTP(w, q)
	}))
	defer s.Close()
	var errs bytes.Buffer
	c := exec.CommandContext(t.Context(), browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--user-data-dir="+t.TempDir(), "--enable-logging=stderr", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
		"--dump-dom", s.URL+"/docs")
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, errs.Bytes())
	}
	for line := range strings.Lines(errs.String()) {
		if strings.Contains(line, "CONSOLE") {
			t.Error(line)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for _, path := range asked {
		if path != "/docs" && path != "/favicon.ico" {
			t.Errorf("the page asks for %s", path)
		}
	}
	page := string(out)
	_, operations := r.spec()
	for _, op := range operations {
		_, section, ok := strings.Cut(page, `<section id="`+op.OperationID+`">`)
		section, _, _ = strings.Cut(section, "</section>")
		if !ok || !strings.Contains(page, `<a href="#`+op.OperationID+`">`) {
			t.Errorf("%s isn't shown", op.OperationID)
		}
		for _, res := range op.Responses {
			if res.Content["application/json"].Schema != nil && !strings.Contains(section, "<pre>") {
				t.Errorf("%s has no example", op.OperationID)
			}
		}
	}
}
