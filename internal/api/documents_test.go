package api

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"concord/crdt"
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
	if strings.HasSuffix(res.Header.Get("Content-Type"), "json") && res.Header.Get("Content-Type") != ndjson {
		d := json.NewDecoder(bytes.NewReader(a.Raw))
		d.UseNumber()
		if err := d.Decode(&a.JSON); err != nil && !strings.Contains(err.Error(), "max depth") {
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

// hello is a sync message without heads, needs, haves and changes.
const hello = "\x42\x00\x00\x00\x00"

func TestFilesAndSyncMessages(t *testing.T) {
	r := newRig(t, settings{})
	editor, viewer := token(t, "acme", "alice", auth.RoleEditor), token(t, "acme", "vera", auth.RoleViewer)
	made := r.request("PUT", "/v1/documents/invoice/1", editor, `{"content":{"a":1}}`).want(t, 201)
	path := made.Header.Get("Location")
	file := r.request("GET", path+"/export", viewer, "").want(t, 200)
	if file.Header.Get("Content-Type") != octets || !strings.Contains(file.Header.Get("Content-Disposition"), ".automerge") {
		t.Errorf("%v", file.Header)
	}
	doc, err := crdt.Load(file.Raw, crdt.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	doc.SetActor("elsewhere")
	if _, err := doc.Edit(crdt.EditOptions{}, func(tx *crdt.Tx) error { _, err := tx.SetAt("/b", 2); return err }); err != nil {
		t.Fatal(err)
	}
	saved := string(doc.Save())
	octet := "Content-Type: " + octets
	r.request("POST", "/v1/documents/import", viewer, saved, octet).want(t, 403)
	again := r.request("POST", "/v1/documents/import?type=invoice&ref=1", editor, saved, octet).want(t, 200)
	if again.text("new") != "1" || again.text("known") != "1" || again.text("id") != made.text("id") {
		t.Errorf("%s", again.Raw)
	}
	other := r.request("POST", "/v1/documents/import?type=invoice&ref=2", editor, saved, octet).want(t, 200)
	if other.text("new") != "2" || other.text("id") == made.text("id") || other.text("ref") != `"2"` || other.text("refused") != "[]" {
		t.Errorf("%s", other.Raw)
	}
	r.request("POST", "/v1/documents/import?type=invoice&ref=2&id="+made.JSON["id"].(string), editor, saved, octet).want(t, 409)
	r.request("POST", "/v1/documents/import", editor, "garbage", octet).want(t, 422)
	r.request("POST", "/v1/documents/import?type=invoice&ref=3", editor, saved[:len(saved)-1], octet).want(t, 422)
	r.request("POST", "/v1/documents/import", editor, "", octet).want(t, 400)
	r.request("GET", "/v1/documents?type=invoice&ref=3", editor, "").want(t, 200)

	r.request("POST", path+"/sync", editor, "garbage", octet).want(t, 422)
	if a := r.request("POST", path+"/sync", viewer, hello, octet, "Concord-Storage-Id: 11111111-2222-3333-4444-555555555555").want(t, 200); len(a.Raw) == 0 || a.Header.Get("Content-Type") != octets {
		t.Errorf("%q", a.Raw)
	}
}

func TestDeletedDocumentsAreGone(t *testing.T) {
	r := newRig(t, settings{})
	editor, admin := token(t, "acme", "alice", auth.RoleEditor), token(t, "acme", "root", auth.RoleAdmin)
	made := r.request("PUT", "/v1/documents/invoice/1", editor, `{"content":{"a":1}}`).want(t, 201)
	path := made.Header.Get("Location")
	r.request("DELETE", path, editor, "").want(t, 403)
	r.request("DELETE", path, token(t, "other", "root", auth.RoleAdmin), "").want(t, 404)
	gone := r.request("DELETE", path+"?reason=asked", admin, "").want(t, 200)
	if again := r.request("DELETE", path, admin, "").want(t, 200); again.text("purgedAt") != gone.text("purgedAt") || again.text("reason") != `"asked"` {
		t.Errorf("%s, then %s", gone.Raw, again.Raw)
	}
	head := "?from=" + strings.Trim(made.Header.Get("ETag"), `"`)
	for _, get := range []string{"", "/history", "/blame", "/diff" + head, "/export"} {
		r.request("GET", path+get, editor, "").want(t, 410)
	}
	r.request("PATCH", path, editor, `{}`, mergePatch).want(t, 410)
	r.request("POST", path+"/restore", editor, `{"time":"2026-01-01T00:00:00Z"}`, "Content-Type: application/json").want(t, 410)
	r.request("POST", "/v1/documents/import?id="+made.JSON["id"].(string), editor, "x", "Content-Type: "+octets).want(t, 410)
	r.request("POST", path+"/sync", editor, hello, "Content-Type: "+octets).want(t, 410)
	if list := r.request("GET", "/v1/documents", editor, "").want(t, 200); list.text("documents") != "[]" {
		t.Errorf("%s", list.Raw)
	}
	r.request("GET", "/v1/documents?deleted=true", editor, "").want(t, 403)
	list := r.request("GET", "/v1/documents?deleted=true", admin, "").want(t, 200)
	if docs := list.JSON["documents"].([]any); len(docs) != 1 || docs[0].(map[string]any)["id"] != made.JSON["id"] {
		t.Errorf("%s", list.Raw)
	}
	if again := r.request("PUT", "/v1/documents/invoice/1", editor, "").want(t, 201); again.text("id") == made.text("id") {
		t.Error("the key leads to what was deleted")
	}
	r.request("GET", "/v1/audit", editor, "").want(t, 403)
	log := r.request("GET", "/v1/audit", admin, "").want(t, 200)
	if lines := strings.Split(strings.TrimSpace(string(log.Raw)), "\n"); len(lines) != 2 || log.Header.Get("Content-Type") != ndjson ||
		!strings.Contains(lines[0], `"access.denied"`) || !strings.Contains(lines[1], `"document.purge"`) || !strings.Contains(lines[1], made.JSON["id"].(string)) {
		t.Errorf("%s", log.Raw)
	}
}

func TestPatchOverHTTP(t *testing.T) {
	r := newRig(t, settings{})
	editor := token(t, "acme", "alice", auth.RoleEditor)
	made := r.request("PUT", "/v1/documents/invoice/1", editor, `{"content":{"lines":[{"price":1}]}}`).want(t, 201)
	path, tag := made.Header.Get("Location"), made.Header.Get("ETag")
	r.request("PATCH", path, editor, `{}`).want(t, 415)
	r.request("PATCH", path, editor, `{}`, "Content-Type: application/json").want(t, 415)
	r.request("PATCH", path, editor, ``, mergePatch).want(t, 400)
	r.request("PATCH", path, editor, `{`, mergePatch).want(t, 422)
	r.request("PATCH", path, editor, "{\"customer\":\"M\xfcller\"}", mergePatch).want(t, 422) // Latin-1
	ok := r.request("PATCH", path+"?message=raise", editor, `[{"op":"replace","path":"/lines/0/price","value":2}]`, jsonPatch, "If-Match: "+tag, "Concord-Storage-Id: till-7").want(t, 200)
	stale := r.request("PATCH", path, editor, `{"a":1}`, mergePatch, "If-Match: "+tag).want(t, 412)
	if stale.Header.Get("ETag") != ok.Header.Get("ETag") {
		t.Errorf("412 names %s, the document is at %s", stale.Header.Get("ETag"), ok.Header.Get("ETag"))
	}
	r.request("PATCH", path, editor, `{"a":1}`, mergePatch, "If-Match: W/"+ok.Header.Get("ETag")).want(t, 412)
	r.request("PATCH", path, editor, `{"a":1}`, mergePatch, `If-Match: "x", *`).want(t, 200)
	r.request("PATCH", path, editor, `[{"op":"test","path":"/a","value":2}]`, jsonPatch).want(t, 409)
	h := r.request("GET", path+"/history?limit=2", editor, "").want(t, 200)
	second := h.JSON["changes"].([]any)[1].(map[string]any)
	if second["message"] != "raise" || second["device"] != "till-7" || second["user"] != "alice" {
		t.Errorf("%s", h.Raw)
	}
	from := strings.Trim(tag, `"`)
	d := r.request("GET", path+"/diff?from="+from, editor, "").want(t, 200)
	if want := `[{"action":"put","after":1,"path":"/a"},{"action":"put","after":2,"before":1,"path":"/lines/0/price"}]`; d.text("changes") != want {
		t.Errorf("%s, want %s", d.text("changes"), want)
	}
	r.request("GET", path+"/diff", editor, "").want(t, 422)
	r.request("GET", path+"?at=zz", editor, "").want(t, 422)
	r.request("GET", path+"?time=yesterday", editor, "").want(t, 422)
	r.request("GET", "/v1/documents/nonsense", editor, "").want(t, 422)
	r.request("GET", "/v1/documents/automerge:"+made.JSON["id"].(string), editor, "").want(t, 200)
}

// What no endpoint takes fails as everything else does.
func TestCallsToNowhere(t *testing.T) {
	r := newRig(t, settings{})
	editor := token(t, "acme", "alice", auth.RoleEditor)
	for _, c := range []struct {
		method, path string
		status       int
		detail       string
	}{
		{"GET", "/v1/nothing", 404, "/docs"},
		{"POST", "/v1/documents", 405, "GET"},
		{"DELETE", "/v1/conflicts.csv", 405, "GET"},
	} {
		got := r.request(c.method, c.path, editor, "").want(t, c.status)
		detail, _ := got.JSON["detail"].(string)
		if media := got.Header.Get("Content-Type"); media != "application/problem+json" || !strings.Contains(detail, c.detail) {
			t.Errorf("%s %s: %s %s", c.method, c.path, media, got.Raw)
		}
	}
}

// Documents may be nested deeper than encoding/json goes.
func TestDeepDocuments(t *testing.T) {
	r := newRig(t, settings{})
	editor := token(t, "acme", "alice", auth.RoleEditor)
	doc := crdt.New()
	doc.SetActor("deep")
	_, err := doc.Edit(crdt.EditOptions{}, func(tx *crdt.Tx) error {
		obj, err := crdt.Root, error(nil)
		for range 12_000 {
			if obj, err = tx.Set(obj, "a", map[string]any{}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	made := r.request("POST", "/v1/documents/import?type=deep&ref=1", editor, string(doc.Save()), "Content-Type: "+octets).want(t, 200)
	path := "/v1/documents/" + made.JSON["id"].(string)
	for _, get := range []string{"", "/history", "/blame", "/diff?from=" + doc.Heads()[0].String(), "?path=" + strings.Repeat("/a", 1000)} {
		r.request("GET", path+get, editor, "", "Accept: text/plain").want(t, 200)
	}
	r.request("PATCH", path, editor, `[{"op":"copy","from":"/a","path":"/b"},{"op":"remove","path":"/b"},{"op":"test","path":"","value":{}}]`, jsonPatch).want(t, 409)
	r.request("POST", path+"/restore", editor, `{"at":"`+doc.Heads()[0].String()+`"}`, "Content-Type: application/json").want(t, 200)
}
