package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"concord/crdt"
	"concord/events"
	"concord/internal/id"
	"concord/internal/testkit/node"
	"concord/store"
)

// requestsPerRound is how many requests two companies get before new ones take their place.
const requestsPerRound = 400

// TestAPIFuzz sends requests that the OpenAPI document allows, and broken ones, for
// all kinds of callers in two companies. API_FUZZ is their number, API_FUZZ_SEED
// replays the choices of a run; IDs and hashes differ from run to run.
func TestAPIFuzz(t *testing.T) {
	n := node.Setting(t, "API_FUZZ", 3_000)
	seed := uint64(node.Setting(t, "API_FUZZ_SEED", int(time.Now().UnixNano()&0xffffffff)))
	t.Logf("%d requests; replay with API_FUZZ_SEED=%d", n, seed)
	failures := new(errorLog)
	f := &fuzzer{rig: newRig(t, settings{logger: slog.New(failures)}), seen: make(map[string]map[int]int), log: failures}
	f.doc, f.operations = f.spec()
	for i := 0; i < n && !t.Failed(); i++ {
		if i%requestsPerRound == 0 {
			f.round++
			f.rand = rand.New(rand.NewPCG(seed, uint64(i)))
			f.companies = [2]*fuzzCompany{f.newCompany("alpha", "charlie"), f.newCompany("bravo", "delta")}
		}
		f.one(i)
	}
	f.finish(n)
}

// errorLog keeps what is logged as an error.
type errorLog struct {
	slog.Handler
	mu    sync.Mutex
	lines []string
}

func (l *errorLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }
func (l *errorLog) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l *errorLog) WithGroup(string) slog.Handler                    { return l }

func (l *errorLog) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	return nil
}

func (l *errorLog) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.lines
	l.lines = nil
	return lines
}

// fuzzer sends one request after the other.
type fuzzer struct {
	*rig
	rand       *rand.Rand
	round      int
	doc        *spec
	operations []specOperation
	companies  [2]*fuzzCompany
	words      []string               // the canaries of all rounds
	seen       map[string]map[int]int // operation, status, number
	log        *errorLog
}

// one sends a request and looks at what came of it.
func (f *fuzzer) one(i int) {
	f.tb.Helper()
	company := f.companies[f.rand.IntN(2)]
	by := company.callers[f.rand.IntN(len(company.callers))]
	op := f.operations[f.rand.IntN(len(f.operations))]
	q := f.newRequest(company, op)
	var before [sha256.Size]byte
	watched := !by.writes && op.method != http.MethodGet
	if watched {
		before = f.state()
	}
	a, err := f.send(q, by)
	problems := f.log.take()
	if err != nil {
		problems = append(problems, err.Error())
	} else {
		problems = append(problems, f.judge(q, by, a)...)
		f.count(op.OperationID, a.Status)
	}
	if op.OperationID == "delete-document" && a.Status == http.StatusOK {
		f.awaitWipe(company, q)
	}
	if watched && f.state() != before {
		problems = append(problems, "a caller who may not write changed something")
	}
	if len(problems) > 0 {
		f.tb.Errorf("request %d, %s, %s: %s\n%s\nanswer %d %v %.2000q", i, op.OperationID, by.name, strings.Join(problems, "; "), q, a.Status, a.Header, a.Raw)
	}
}

func (f *fuzzer) count(operation string, status int) {
	if f.seen[operation] == nil {
		f.seen[operation] = make(map[int]int)
	}
	f.seen[operation][status]++
}

// awaitWipe lets a deletion end, so that it doesn't change the state later.
func (f *fuzzer) awaitWipe(company *fuzzCompany, q fuzzRequest) {
	text := strings.TrimPrefix(q.id, "automerge:")
	doc, err := id.Parse(text)
	if err == nil {
		err = f.store.AwaitWipe(f.tb.Context(), store.DocKey{Company: company.name, Document: doc})
	}
	if err != nil {
		f.tb.Errorf("the deletion of %q doesn't end: %v", text, err)
	}
}

func (f *fuzzer) send(q fuzzRequest, by fuzzCaller) (answer, error) {
	req, err := http.NewRequestWithContext(f.tb.Context(), q.method, f.http.URL+q.path, bytes.NewReader(q.body))
	if err != nil {
		f.tb.Fatalf("%s: %v", q, err)
	}
	for name, value := range q.headers {
		req.Header.Set(name, value)
	}
	if by.token != "" {
		req.Header.Set("Authorization", "Bearer "+by.token)
	}
	// A redirect would be an answer that no operation has.
	res, err := f.http.Client().Transport.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	a := answer{Status: res.StatusCode, Header: res.Header}
	a.Raw, err = io.ReadAll(res.Body)
	return a, err
}

// canary is the name of a secret: a random number and whose it is.
var canary = regexp.MustCompile(`canary[0-9a-f]{12}(alpha|bravo|charlie|delta)`)

// judge returns what is wrong with an answer.
func (f *fuzzer) judge(q fuzzRequest, by fuzzCaller, a answer) (problems []string) {
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if a.Status >= 500 {
		complain("a client made the server fail")
	}
	public := !strings.HasPrefix(q.op.path, "/v1/")
	if !by.known && !public && a.Status != http.StatusUnauthorized {
		complain("got in")
	}
	if q.stray && a.Status < 400 {
		complain("did a part of what was asked for")
	}
	switch {
	case a.Status >= 400:
		var p struct {
			Status int
			Detail string
		}
		if t := a.Header.Get("Content-Type"); t != "application/problem+json" {
			complain("an error of type %q", t)
		} else if err := json.Unmarshal(a.Raw, &p); err != nil || p.Status != a.Status || p.Detail == "" {
			complain("an error that says nothing: %v", err)
		}
	case a.Status == http.StatusNotModified:
	default:
		if err := f.doc.checkAnswer(q.op, a); err != nil {
			complain("not as described: %v", err)
		}
	}
	text := string(a.Raw) + fmt.Sprint(a.Header)
	if a.Status == http.StatusOK && q.op.OperationID == "export-document" {
		doc, err := crdt.Load(a.Raw, crdt.Limits{})
		if err != nil {
			complain("not a document: %v", err)
		} else {
			text += string(doc.View().AppendJSON(nil, crdt.OpID{}))
		}
	}
	for _, word := range canary.FindAllString(text, -1) {
		if slices.Contains(f.words, word) && !slices.Contains(by.mayRead, word) {
			complain("tells %s", word)
			break
		}
	}
	return problems
}

// state is a fingerprint of what both companies have.
func (f *fuzzer) state() (sum [sha256.Size]byte) {
	f.tb.Helper()
	h := sha256.New()
	for _, c := range f.companies {
		err := f.store.Documents(c.name, id.DocumentID{}, func(d store.DocumentInfo) error {
			_, err := fmt.Fprintln(h, d.Document, d.Changes, d.Heads)
			return err
		})
		for _, table := range []store.Table{store.TableReferences, store.TableDocumentTypes, store.TableConflicts, store.TableConflictNotes} {
			if err == nil {
				err = f.store.Scan(c.name, table, store.Range{}, func(key, value []byte) error {
					_, err := fmt.Fprintf(h, "%s %x %x\n", table, key, value)
					return err
				})
			}
		}
		if err == nil {
			err = f.store.Scan(c.name, store.TableEvents, store.Range{}, func(_, value []byte) error {
				e, err := events.Decode(value)
				if err == nil && e.Type != "notification:read" && e.Type != "notification:receipt" && !strings.HasPrefix(e.Type, "user:") {
					fmt.Fprintln(h, e.ID) // the others tell who was there, and what they have read
				}
				return err
			})
		}
		if err != nil {
			f.tb.Fatal(err)
		}
		fmt.Fprintln(h, len(f.api.opts.Revocations.List(c.name)))
	}
	h.Sum(sum[:0])
	return sum
}

// finish demands that every operation was seen at work, in a run that is long
// enough, and that the store is whole.
func (f *fuzzer) finish(n int) {
	f.tb.Helper()
	f.stop()
	report, err := store.Check(f.tb.Context(), f.dir, store.CheckOptions{})
	if err != nil || !report.OK() {
		f.tb.Errorf("check: %v %v", report.Faults, err)
	}
	for _, op := range f.operations {
		counts := f.seen[op.OperationID]
		good := 0
		for status, k := range counts {
			if status < 300 {
				good += k
			}
		}
		var line strings.Builder
		for _, status := range slices.Sorted(maps.Keys(counts)) {
			fmt.Fprintf(&line, " %d×%d", status, counts[status])
		}
		f.tb.Logf("%-20s%s", op.OperationID, line.String())
		if good == 0 && n >= 10_000 {
			f.tb.Errorf("%s was never done", op.OperationID)
		}
	}
}
