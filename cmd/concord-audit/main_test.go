package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"concord/crdt"
	"concord/internal/id"
	"concord/store"
)

// childMode is how this test binary behaves when it is started as the child.
const childMode = "AUDIT_TEST_CHILD"

func TestMain(m *testing.M) {
	if len(os.Args) != 2 || os.Args[1] != childArgument {
		os.Exit(m.Run())
	}
	switch os.Getenv(childMode) {
	case "hang":
		time.Sleep(time.Hour)
	case "die":
		os.Stdin.Read(make([]byte, 1))
		os.Exit(7)
	case "forge":
		forge()
	default:
		if err := serveChild(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// forge answers like the true child, but for a value that it changes.
func forge() {
	out := &bytes.Buffer{}
	r, w := io.Pipe()
	go func() {
		_, err := io.Copy(w, os.Stdin)
		w.CloseWithError(err)
	}()
	_ = serveChild(r, writer(func(p []byte) (int, error) {
		out.Reset()
		out.Write(bytes.Replace(p, []byte(`"int":"42"`), []byte(`"int":"43"`), 1))
		_, err := os.Stdout.Write(out.Bytes())
		return len(p), err
	}))
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// audit runs the program on a folder.
func audit(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, &o, &e)
	return code, o.String(), e.String()
}

// folder is a data folder under construction.
type folder struct {
	t    *testing.T
	path string
	s    *store.Store
	n    byte
}

func newFolder(t *testing.T) *folder {
	f := &folder{t: t, path: t.TempDir()}
	var err error
	if f.s, err = store.Open(f.path, store.Options{}); err != nil {
		t.Fatal(err)
	}
	return f
}

// close returns the path of the finished folder.
func (f *folder) close() string {
	if err := f.s.Close(); err != nil {
		f.t.Fatal(err)
	}
	return f.path
}

// add stores chunks of changes as a document, whatever they hold.
func (f *folder) add(heads []crdt.Hash, chunks ...[]byte) store.DocKey {
	f.t.Helper()
	f.n++
	key := store.DocKey{Company: "acme", Document: id.DocumentID{15: f.n}}
	a := store.Append{Doc: key, By: store.Attribution{User: "alice", Received: time.UnixMilli(1)}}
	for _, c := range chunks {
		a.Changes = append(a.Changes, store.Change{Hash: sha256.Sum256(c[8:]), Bytes: c})
	}
	for _, h := range heads {
		a.Heads = append(a.Heads, store.Hash(h))
	}
	f.wait(func(done func(error)) error { return f.s.Append(context.Background(), a, done) })
	return key
}

func (f *folder) wait(write func(done func(error)) error) {
	f.t.Helper()
	ch := make(chan error, 1)
	err := write(func(err error) { ch <- err })
	if err == nil {
		err = <-ch
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// addValues stores a document with values of all types.
func (f *folder) addValues() {
	f.t.Helper()
	const actor = crdt.ActorID("0123456789abcdef")
	at := func(n uint32) crdt.OpID { return crdt.OpID{Counter: n, Actor: actor} }
	var ops []crdt.Op
	for i, v := range []crdt.Value{
		crdt.IntValue(42), crdt.UintValue(1 << 63), crdt.Float64Value(1e300), crdt.Float64Value(0.1), crdt.NullValue(),
		crdt.BoolValue(true), crdt.StringValue("a \"text\" <&> \u2028 ü 😀"), crdt.BytesValue([]byte{0, 255}),
		crdt.TimestampValue(-1), crdt.CounterValue(5),
	} {
		ops = append(ops, crdt.Op{Action: crdt.ActionSet, Key: crdt.MapKey(fmt.Sprintf("k~/%d", i)), Value: v})
	}
	n := uint32(len(ops))
	insert := func(obj, after crdt.OpID, v crdt.Value) crdt.Op {
		return crdt.Op{Action: crdt.ActionSet, Obj: obj, Key: crdt.ElemKey(after), Insert: true, Value: v}
	}
	ops = append(ops,
		crdt.Op{Action: crdt.ActionMakeList, Key: crdt.MapKey("list")},
		insert(at(n+1), crdt.OpID{}, crdt.IntValue(1)),
		insert(at(n+1), at(n+2), crdt.StringValue("second")),
		crdt.Op{Action: crdt.ActionMakeText, Key: crdt.MapKey("text")},
		insert(at(n+4), crdt.OpID{}, crdt.StringValue("ü")),
	)
	first, err := crdt.EncodeChange(crdt.ChangeMeta{Actor: actor, Seq: 1, StartOp: 1}, ops)
	if err != nil {
		f.t.Fatal(err)
	}
	second, err := crdt.EncodeChange(crdt.ChangeMeta{Deps: []crdt.Hash{first.Hash}, Actor: actor, Seq: 2, StartOp: first.MaxOp() + 1},
		[]crdt.Op{{Action: crdt.ActionIncrement, Key: crdt.MapKey("k~/9"), Value: crdt.IntValue(-7), Preds: []crdt.OpID{at(10)}}})
	if err != nil {
		f.t.Fatal(err)
	}
	f.add([]crdt.Hash{second.Hash}, first.Bytes(), second.Bytes())
}

// addSnapshot stores a document of automerge-js that a snapshot covers, but for its last change.
func (f *folder) addSnapshot() {
	f.t.Helper()
	chunk, _, err := crdt.NextChunk(fixture(f.t, "upstream-exemplar.automerge"))
	if err != nil {
		f.t.Fatal(err)
	}
	graph := crdt.NewGraph()
	var changes [][]byte
	if _, err := chunk.ParseDocument(crdt.Limits{}, func(c crdt.DocumentChange) error {
		changes = append(changes, bytes.Clone(c.Raw))
		return graph.Restore(c.Header)
	}); err != nil {
		f.t.Fatal(err)
	}
	next, err := crdt.EncodeChange(crdt.ChangeMeta{Deps: graph.Heads(), Actor: "another actor", Seq: 1, StartOp: graph.MaxOp() + 1},
		[]crdt.Op{{Action: crdt.ActionSet, Key: crdt.MapKey("after the snapshot"), Value: crdt.BoolValue(true)}})
	if err != nil {
		f.t.Fatal(err)
	}
	key := f.add([]crdt.Hash{next.Hash}, append(changes, next.Bytes())...)
	snap := store.Snapshot{Changes: uint64(graph.Len()), Chunk: chunk.Raw, Graph: graph.AppendRecord(nil)}
	f.wait(func(done func(error)) error {
		return f.s.PutSnapshot(context.Background(), key, snap, func(i uint64) store.Hash { return store.Hash(graph.HashAt(int(i))) }, done)
	})
}

func fixture(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "crdt", "testdata", "fixtures", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCleanFolder(t *testing.T) {
	f := newFolder(t)
	f.addValues()
	f.addSnapshot()
	path := f.close()
	for _, data := range []string{path, filepath.Join(path, "concord.db")} {
		code, out, errs := audit(t, data)
		if code != 0 || !strings.Contains(out, "2 documents") || !strings.Contains(out, "2 are the same") {
			t.Errorf("exit code %d:\n%s%s", code, out, errs)
		}
	}
}

func TestEmptyFolder(t *testing.T) {
	code, out, errs := audit(t, newFolder(t).close())
	if code != 0 || !strings.Contains(out, "0 documents") {
		t.Errorf("exit code %d:\n%s%s", code, out, errs)
	}
}

// A change that makes the core of automerge-go abort, which ends its process, costs the report of one document.
func TestAbortIsReportedAndTheWalkGoesOn(t *testing.T) {
	f := newFolder(t)
	f.addValues()
	poison := f.add([]crdt.Hash{{}}, fixture(t, "hostile-crash-inc-10.bin"))
	f.addSnapshot()
	code, out, errs := audit(t, "--json", f.close())
	var r report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v:\n%s%s", err, out, errs)
	}
	if code != 1 || r.Documents != 3 || r.Outcomes[same] != 2 || len(r.Findings) != 1 {
		t.Fatalf("exit code %d:\n%s%s", code, out, errs)
	}
	got := r.Findings[0]
	if got.Document != poison.Document.String() || got.Outcome != refused ||
		!strings.Contains(got.Detail, "died") || !strings.Contains(got.Detail, "panicked") {
		t.Errorf("found %+v", got)
	}
}

func TestFindings(t *testing.T) {
	for _, test := range []struct {
		mode    string
		want    outcome
		detail  string
		unequal int // documents
	}{
		{"forge", different, `/k~0~10/int is`, 1},
		{"die", died, "exit status 7", 2},
		{"hang", hung, "in time", 2},
	} {
		t.Run(test.mode, func(t *testing.T) {
			t.Setenv(childMode, test.mode)
			f := newFolder(t)
			f.addValues()
			f.addSnapshot()
			code, out, errs := audit(t, "--timeout", "2s", f.close())
			if code != 1 || strings.Count(out, string(test.want)) < test.unequal+1 || !strings.Contains(out, test.detail) {
				t.Errorf("exit code %d, want %d %s with %q:\n%s%s", code, test.unequal, test.want, test.detail, out, errs)
			}
		})
	}
}

func TestStoredHeadsCount(t *testing.T) {
	f := newFolder(t)
	chunk := fixture(t, "upstream-counter_value_is_ok.automerge")
	f.add([]crdt.Hash{{1, 2, 3}}, chunk)
	code, out, _ := audit(t, f.close())
	if code != 1 || !strings.Contains(out, "heads are [010203") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"--no-such-option", "x"}, {"--timeout", "0s", "x"}} {
		if code, _, errs := audit(t, args...); code != 2 || !strings.Contains(errs, "concord-audit --help") {
			t.Errorf("%q: exit code %d:\n%s", args, code, errs)
		}
	}
	if code, out, _ := audit(t, "--help"); code != 0 || !strings.Contains(out, "automerge-go dies") {
		t.Errorf("help: exit code %d:\n%s", code, out)
	}
	f := newFolder(t)
	if code, _, errs := audit(t, f.path); code != 1 || !strings.Contains(errs, "stop the server first") {
		t.Errorf("beside a server: exit code %d:\n%s", code, errs)
	}
	f.close()
	if code, _, errs := audit(t, t.TempDir()); code != 1 || !strings.Contains(errs, "name the data folder") {
		t.Errorf("an empty folder: exit code %d:\n%s", code, errs)
	}
}
