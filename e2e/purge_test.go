package e2e

import (
	"bytes"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/internal/testkit/node"
	"concord/internal/testkit/stock"
)

// Strings that are nowhere but in the document that is purged. They come in changes so small that nobody compresses
// them.
const (
	canaryKey      = "KeyOfTheGuest7391"
	canaryText     = "Ada was born in Utrecht"
	canaryValue    = "NL91ABNA0417164300"
	canaryMessage  = "entered by her dentist"
	canaryConflict = "visited again in Delft"
	canaryComment  = "both are true says Ada"
	canaryEdit     = "moved on to Groningen"
	canaryLate     = "asked for her file in Breda"
)

// canariesOfOld are in the data folder when the document is purged; the ones of later edits must never get there.
var canariesOfOld = []string{canaryKey, canaryText, canaryValue, canaryMessage, canaryConflict, canaryComment}

var allCanaries = append(slices.Clone(canariesOfOld), canaryEdit, canaryLate)

// A document is deleted for good while one device has it open and another one is away, with edits of it. Both are told,
// keep their connections and their other documents, and can't bring it back.
func TestPurge(t *testing.T) {
	for _, m := range mixes {
		t.Run(m.name, func(t *testing.T) {
			o := &office{t: t, node: node.Start(t, node.Options{}), mix: m}
			options := withStorage(o.options("ann"), t.TempDir())
			ann, bob := o.open("ann", options), o.open("bob", withStorage(o.options("bob"), t.TempDir()))
			ann.WaitConnected(1)
			bob.WaitConnected(1)
			url, other := guestFile(o, ann, bob)

			ann.Close()
			ann.Reopen(offline(options))
			ann.FindReady(url)
			ann.FindReady(other)
			ann.ChangeSaying(url, canaryEdit, stock.Set(stock.P("away"), canaryEdit))
			ann.Change(other, stock.Increment(stock.P("n"), 1))
			ann.Close()

			if found := o.search(allCanaries); !slices.Equal(found, canariesOfOld) {
				t.Fatalf("before the purge the data folder holds %q, want %q", found, canariesOfOld)
			}
			o.purge(url)
			toldOfPurge(t, bob, url, 1)
			if found := o.search(allCanaries); len(found) > 0 {
				t.Errorf("after the wipe the data folder holds %q", found)
			}

			ann.Reopen(options)
			ann.FindReady(url)
			ann.FindReady(other)
			ann.WaitConnected(1)
			toldOfPurge(t, ann, url, 1)
			for i, c := range []*stock.Client{ann, bob} {
				before := toldSoFar(c, url)
				c.ChangeSaying(url, canaryLate, stock.Set(stock.P("late"), canaryLate))
				c.Change(other, stock.Increment(stock.P("n"), 10))
				toldOfPurge(t, c, url, before+1)
				got := converge(t, other, ann, bob)
				want(t, "counter of the other document", got["n"], any(object{"$counter": float64(11 + 10*i)}))
				if s := c.Stats(); s.Connects != 1 || len(s.Closes) > 0 {
					t.Errorf("%s connected %d times, closes %v", c.Name(), s.Connects, s.Closes)
				}
			}

			o.staysAway(url, 1)
			before := toldSoFar(ann, url)
			o.node.Kill()
			o.node.Run()
			ann.WaitConnected(2)
			toldOfPurge(t, ann, url, before+1)
			o.staysAway(url, 2)
			got := converge(t, other, ann, bob)
			want(t, "counter of the other document", got["n"], any(object{"$counter": 21.0}))
			ann.Close()
			bob.Close()
			o.node.Stop()
			o.node.Check()
			if found := o.search(allCanaries); len(found) > 0 {
				t.Errorf("in the end the data folder holds %q", found)
			}
		})
	}
}

// guestFile makes a document with the old canaries, the last one in a conflict, and another one, which both clients
// and the node have then.
func guestFile(o *office, ann, bob *stock.Client) (url, other string) {
	o.t.Helper()
	url, other = ann.Create(object{canaryKey: canaryText}), ann.Create(object{"n": stock.Counter(0)})
	ann.ChangeSaying(url, canaryMessage, stock.Set(stock.P("account"), stock.ScalarString(canaryValue)))
	bob.FindReady(url)
	bob.FindReady(other)
	converge(o.t, url, ann, bob)
	converge(o.t, other, ann, bob)
	ann.Disconnect()
	bob.Change(url, stock.Set(stock.P(canaryKey), "left"))
	ann.Change(url, stock.Set(stock.P(canaryKey), stock.ScalarString(canaryConflict)))
	ann.Connect()
	ann.WaitConnected(2)
	converge(o.t, url, ann, bob)
	var page struct {
		Conflicts []struct{ ID, Path string }
	}
	waitFor(o.t, func() bool {
		o.call("erp", nil, http.MethodGet, "/v1/conflicts?document="+documentOf(url), "", &page)
		return len(page.Conflicts) == 1
	})
	want(o.t, "path of the conflict", page.Conflicts[0].Path, "/"+canaryKey)
	o.call("erp", nil, http.MethodPost, "/v1/conflicts/"+page.Conflicts[0].ID+"/comments", `{"text": "`+canaryComment+`"}`, &struct{}{})
	return url, other
}

func documentOf(url string) string { return strings.TrimPrefix(url, "automerge:") }

// purge deletes a document for good and waits until it is wiped.
func (o *office) purge(url string) {
	o.t.Helper()
	var deleted struct{ PurgedAt, WipedAt *time.Time }
	waitFor(o.t, func() bool {
		o.callAs(node.Claims{Sub: "root", Role: "admin"}, http.MethodDelete, "/v1/documents/"+documentOf(url)+"?reason=asked", "", &deleted)
		return deleted.WipedAt != nil
	})
	if deleted.PurgedAt == nil || deleted.WipedAt.Before(*deleted.PurgedAt) {
		o.t.Errorf("purged at %v, wiped at %v", deleted.PurgedAt, deleted.WipedAt)
	}
}

// staysAway checks that a purged document is there for nobody.
func (o *office) staysAway(url string, times int) {
	o.t.Helper()
	if code := o.call("erp", nil, http.MethodGet, "/v1/documents/"+documentOf(url), "", nil); code != http.StatusGone {
		o.t.Errorf("GET of the purged document: %d, want 410", code)
	}
	cleo := o.client(strings.Repeat("cleo", times))
	want(o.t, "state of the purged document", cleo.Find(url), "unavailable")
	cleo.Abandon()
}

// search returns those of the strings that are in the bytes of the data folder's files.
func (o *office) search(texts []string) (found []string) {
	o.t.Helper()
	var files [][]byte
	if err := filepath.WalkDir(o.node.Data, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		files = append(files, b)
		return err
	}); err != nil {
		o.t.Fatal(err)
	}
	for _, text := range texts {
		if slices.ContainsFunc(files, func(b []byte) bool { return bytes.Contains(b, []byte(text)) }) {
			found = append(found, text)
		}
	}
	return found
}

// toldSoFar counts how often a client was told that a document was purged: by an error that names it, and by
// doc-unavailable.
func toldSoFar(c *stock.Client, url string) int {
	errors, unavailable := 0, 0
	for _, m := range c.Messages() {
		switch {
		case m.Direction != "in":
		case m.Type == "error" && strings.Contains(m.Text, documentOf(url)):
			errors++
		case m.Type == "doc-unavailable" && m.DocumentID == documentOf(url):
			unavailable++
		}
	}
	return min(errors, unavailable)
}

func toldOfPurge(t *testing.T, c *stock.Client, url string, times int) {
	t.Helper()
	deadline := time.Now().Add(convergeTimeout)
	for toldSoFar(c, url) < times {
		if time.Now().After(deadline) {
			t.Fatalf("not told %d times that %s was purged:\n%s", times, url, report(url, []*stock.Client{c}))
		}
		time.Sleep(10 * time.Millisecond)
	}
}
