package api

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"concord/internal/auth"
)

// answer is what a request got.
type answer struct {
	Status int
	Header http.Header
	Raw    []byte
	JSON   map[string]any // nil if it isn't a JSON object
}

// request makes a request with headers in the form "Name: value".
func (r *rig) request(method, path, bearer, body string, headers ...string) answer {
	r.tb.Helper()
	req, err := http.NewRequestWithContext(r.tb.Context(), method, r.http.URL+path, strings.NewReader(body))
	if err != nil {
		r.tb.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := r.http.Client().Do(req)
	if err != nil {
		r.tb.Fatal(err)
	}
	defer res.Body.Close()
	a := answer{Status: res.StatusCode, Header: res.Header}
	if a.Raw, err = io.ReadAll(res.Body); err != nil {
		r.tb.Fatal(err)
	}
	if strings.HasSuffix(res.Header.Get("Content-Type"), "json") {
		d := json.NewDecoder(bytes.NewReader(a.Raw))
		d.UseNumber()
		if err := d.Decode(&a.JSON); err != nil {
			r.tb.Fatalf("%s %s: %s: %v", method, path, a.Raw, err)
		}
	}
	return a
}

// want fails the test unless the answer has a status.
func (a answer) want(tb testing.TB, status int) answer {
	tb.Helper()
	if a.Status != status {
		tb.Fatalf("status %d, want %d: %s", a.Status, status, a.Raw)
	}
	if status >= 400 && (a.Header.Get("Content-Type") != "application/problem+json" || a.JSON["detail"] == "") {
		tb.Errorf("error %d says nothing: %s", status, a.Raw)
	}
	return a
}

// text returns a value of the answer as compact JSON.
func (a answer) text(key string) string {
	b, _ := json.Marshal(a.JSON[key])
	return string(b)
}

const (
	mergePatch = "Content-Type: " + mergePatchType
	jsonPatch  = "Content-Type: " + jsonPatchType
)

func TestDocumentByKey(t *testing.T) {
	r := newRig(t, settings{})
	editor := token(t, "acme", "alice", auth.RoleEditor)
	viewer := token(t, "acme", "vera", auth.RoleViewer)
	r.request("PUT", "/v1/documents/invoice/2026%2F1", viewer, "").want(t, 403)
	made := r.request("PUT", "/v1/documents/invoice/2026%2F1", editor, `{"content":{"total":10,"lines":[{"id":"a"}]}}`).want(t, 201)
	again := r.request("PUT", "/v1/documents/invoice/2026%2F1", viewer, `{"content":{"total":11}}`).want(t, 200)
	for _, key := range []string{"id", "url", "type", "ref", "heads"} {
		if made.text(key) != again.text(key) || made.text(key) == "null" {
			t.Errorf("%s: %s, then %s", key, made.text(key), again.text(key))
		}
	}
	if made.text("ref") != `"2026/1"` {
		t.Errorf("ref %s", made.text("ref"))
	}
	got := r.request("GET", made.Header.Get("Location"), viewer, "").want(t, 200)
	if got.text("content") != `{"lines":[{"id":"a"}],"total":10}` || got.Header.Get("ETag") != made.Header.Get("ETag") {
		t.Errorf("%s %v", got.Raw, got.Header)
	}
	r.request("GET", made.Header.Get("Location"), viewer, "", "If-None-Match: "+got.Header.Get("ETag")).want(t, 304)
	stranger := token(t, "other", "alice", auth.RoleAdmin)
	r.request("GET", made.Header.Get("Location"), stranger, "").want(t, 404)
	if a := r.request("GET", "/v1/documents?type=invoice", stranger, "").want(t, 200); a.text("documents") != "[]" {
		t.Errorf("another company lists %s", a.Raw)
	}
}
