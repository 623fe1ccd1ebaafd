package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"concord/internal/auth"
)

var update = flag.Bool("update", false, "write what the examples answer into examples.json")

// Each example does what the OpenAPI document says, in order; every operation has
// one. What differs from run to run, such as IDs and times, is the same wherever
// the examples have it.
func TestExamples(t *testing.T) {
	r := newRig(t, settings{})
	operations := r.operations()
	runner := exampleRunner{rig: r, actual: make(map[string]string)}
	missing := maps.Clone(operations)
	all := examples()
	for i := range all {
		e := &all[i]
		op, ok := operations[e.Operation]
		if !ok {
			t.Fatalf("there is no operation %s", e.Operation)
		}
		delete(missing, e.Operation)
		runner.run(op, e)
	}
	if names := slices.Sorted(maps.Keys(missing)); len(names) > 0 {
		t.Errorf("operations without an example: %v", names)
	}
	if *update && !t.Failed() {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(all); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("examples.json", b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Without a token, or with one of another company, the examples get nowhere.
func TestExamplesOfStrangers(t *testing.T) {
	r := newRig(t, settings{})
	operations := r.operations()
	runner := exampleRunner{rig: r, actual: make(map[string]string)}
	for _, e := range examples() {
		op := operations[e.Operation]
		runner.run(op, &e)
		if !strings.HasPrefix(op.path, "/v1/") {
			continue
		}
		method, path, body, headers := runner.request(op, &e)
		if a := r.request(method, path, "nonsense", string(body), headers...); a.Status != http.StatusUnauthorized {
			t.Errorf("%s without a token: %d %s", e.Operation, a.Status, a.Raw)
		}
		if e.Operation == "import-document" {
			continue // it would make a document of the other company's own
		}
		if e.Operation == "sync-document" && e.Status == http.StatusNoContent {
			continue // what a device says to have it is asked for
		}
		a := r.request(method, path, token(t, "other", "olga", auth.RoleAdmin), string(body), headers...)
		if named := op.parameters["id"] == "path"; named && a.Status != http.StatusNotFound {
			t.Errorf("%s by another company: %d %s", e.Operation, a.Status, a.Raw)
		}
		for _, secret := range []string{"Miller", "Bolts", "alice", runner.replace("4NMNnkMhL8jXrdJ9jamS58PAVdXu")} {
			if a.Status < 400 && strings.Contains(string(a.Raw), secret) {
				t.Errorf("%s tells another company %q: %s", e.Operation, secret, a.Raw)
			}
		}
	}
}

// operation is where an operation is to be found.
type operation struct {
	method, path string
	parameters   map[string]string // name to place
}

func (r *rig) operations() map[string]operation {
	r.tb.Helper()
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string
			Parameters  []struct{ Name, In string }
		}
	}
	if err := json.Unmarshal([]byte(r.body("/openapi.json")), &doc); err != nil {
		r.tb.Fatal(err)
	}
	all := make(map[string]operation)
	for path, methods := range doc.Paths {
		for method, op := range methods {
			o := operation{strings.ToUpper(method), path, make(map[string]string)}
			for _, p := range op.Parameters {
				o.parameters[p.Name] = p.In
			}
			all[op.OperationID] = o
		}
	}
	return all
}

// exampleRunner makes the calls of the examples.
type exampleRunner struct {
	*rig
	actual map[string]string // what stands for a changing text of the examples in this run
}

// run makes the call of an example and compares the answer.
func (r *exampleRunner) run(op operation, e *example) {
	r.tb.Helper()
	method, path, body, headers := r.request(op, e)
	role := auth.Role(cmpOr(e.As, string(auth.RoleEditor)))
	user := map[auth.Role]string{auth.RoleEditor: "alice", auth.RoleAdmin: "carol", auth.RoleViewer: "vera", auth.RoleService: "erp"}[role]
	a := r.rig.request(method, path, token(r.tb, "acme", user, role), string(body), headers...)
	if a.Status != e.Status {
		r.tb.Fatalf("%s: %d, want %d: %s", e.Operation, a.Status, e.Status, a.Raw)
	}
	spec, all := r.rig.spec()
	for _, described := range all {
		if described.OperationID == e.Operation {
			if err := spec.checkAnswer(described, a); err != nil {
				r.tb.Errorf("%s: %v", e.Operation, err)
			}
		}
	}
	r.compare(e, a)
}

// request returns an example as it is to be made in this run.
func (r *exampleRunner) request(op operation, e *example) (method, path string, body []byte, headers []string) {
	r.tb.Helper()
	path = op.path
	query := url.Values{}
	for name, value := range e.Parameters {
		switch value = r.replace(value); op.parameters[name] {
		case "path":
			path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(value))
		case "query":
			query.Set(name, value)
		case "header":
			headers = append(headers, name+": "+value)
		default:
			if query.Set(name, value); e.Status != http.StatusUnprocessableEntity {
				r.tb.Fatalf("%s has no parameter %s", e.Operation, name)
			}
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	if body = r.requestBody(e); len(body) > 0 {
		headers = append(headers, "Content-Type: "+cmpOr(e.ContentType, "application/json"))
	}
	return op.method, path, body, headers
}

func cmpOr(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func (r *exampleRunner) requestBody(e *example) []byte {
	if e.Bytes != nil {
		return e.Bytes
	}
	if strings.HasSuffix(cmpOr(e.ContentType, "json"), "json") {
		return []byte(r.replace(string(e.Body)))
	}
	var text string
	if err := json.Unmarshal(e.Body, &text); err != nil {
		r.tb.Fatal(err)
	}
	return []byte(text)
}

// replace puts in what stands for changing texts in this run.
func (r *exampleRunner) replace(text string) string {
	for shown, actual := range r.actual {
		text = strings.ReplaceAll(text, shown, actual)
	}
	return text
}

// compare holds an answer against the example's, or takes it over.
func (r *exampleRunner) compare(e *example, a answer) {
	r.tb.Helper()
	raw := a.Raw
	if t := a.Header.Get("Content-Type"); t == ndjson {
		raw, _, _ = bytes.Cut(raw, []byte("\n"))
	} else if !strings.HasSuffix(t, "json") {
		r.compareText(e, a)
		return
	}
	var got, want any
	if err := json.Unmarshal(raw, &got); err != nil {
		r.tb.Fatal(err)
	}
	if e.Answer != nil {
		if err := json.Unmarshal(e.Answer, &want); err != nil {
			r.tb.Fatal(err)
		}
	}
	r.bind(want, got)
	if *update {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(r.shown(got)); err != nil {
			r.tb.Fatal(err)
		}
		e.Answer = b.Bytes()
		return
	}
	if err := r.same("", want, got); err != nil {
		r.tb.Errorf("%s: %v; run with -update if that is right: %s", e.Operation, err, raw)
	}
}

// compareText compares the beginning: the first line of CSV, and whether there is anything.
func (r *exampleRunner) compareText(e *example, a answer) {
	r.tb.Helper()
	text := "(bytes)"
	if strings.HasPrefix(a.Header.Get("Content-Type"), "text/") {
		text, _, _ = strings.Cut(string(a.Raw), "\n")
		text = strings.TrimRight(text, "\r")
	}
	if len(a.Raw) == 0 {
		text = ""
	}
	b, _ := json.Marshal(text)
	if *update {
		e.Answer = b
	} else if string(b) != string(e.Answer) {
		r.tb.Errorf("%s: %s, want %s", e.Operation, b, e.Answer)
	}
}

// changing are the texts that differ from run to run: document IDs, hashes and
// other numbers in hex, op IDs, times, UUIDs, tickets, cursors, and IDs of events.
var changing = regexp.MustCompile(`^((automerge:)?[1-9A-HJ-NP-Za-km-z]{22,28}|([0-9]+@)?[0-9a-f]{32}|[0-9a-f]{64}|Restore [0-9a-f.]+|20[0-9]{2}-[0-9]{2}-[0-9]{2}(T.*Z)?|[A-Za-z0-9_-]{43}|[A-Za-z0-9_-]{27}|[0-9A-HJKMNP-TV-Z]{26})$`)

// isTime are the changing texts that need not be the same wherever an example has them.
var isTime = regexp.MustCompile(`^20[0-9]{2}-`)

// bind notes what stands for the changing texts of an example.
func (r *exampleRunner) bind(want, got any) {
	switch want := want.(type) {
	case string:
		if got, ok := got.(string); ok && changing.MatchString(want) && changing.MatchString(got) {
			if _, bound := r.actual[want]; !bound || isTime.MatchString(want) {
				r.actual[want] = got
			}
		}
	case []any:
		got, _ := got.([]any)
		for i := range min(len(want), len(got)) {
			r.bind(want[i], got[i])
		}
	case map[string]any:
		got, _ := got.(map[string]any)
		for key := range want {
			r.bind(want[key], got[key])
		}
	}
}

// shown returns an answer as the example has it.
func (r *exampleRunner) shown(got any) any {
	switch got := got.(type) {
	case string:
		for shown, actual := range r.actual {
			if actual == got {
				return shown
			}
		}
	case []any:
		for i := range got {
			got[i] = r.shown(got[i])
		}
	case map[string]any:
		for key := range got {
			got[key] = r.shown(got[key])
		}
	}
	return got
}

// same reports the first difference that isn't one from run to run.
func (r *exampleRunner) same(at string, want, got any) error {
	wantText, ok := want.(string)
	gotText, also := got.(string)
	switch {
	case ok && also && isTime.MatchString(wantText) && isTime.MatchString(gotText):
		return nil
	case ok && also && r.replace(wantText) == gotText:
		return nil
	case strings.HasSuffix(at, "/bytes") || strings.HasSuffix(at, "Seconds"): // sizes depend on random numbers
		return nil
	}
	switch want := want.(type) {
	case map[string]any:
		got, _ := got.(map[string]any)
		if !slices.Equal(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))) {
			return fmt.Errorf("%s has the members %v, want %v", at, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
		for key := range want {
			if err := r.same(at+"/"+key, want[key], got[key]); err != nil {
				return err
			}
		}
		return nil
	case []any:
		got, _ := got.([]any)
		if len(want) != len(got) {
			return fmt.Errorf("%s has %d elements, want %d", at, len(got), len(want))
		}
		for i := range want {
			if err := r.same(fmt.Sprintf("%s/%d", at, i), want[i], got[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Errorf("%s is %v, want %v", at, got, want)
	}
	return nil
}
