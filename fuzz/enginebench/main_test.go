package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"concord/crdt"
)

// The processes that the tests start are this test binary.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	if err := child(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// The trace is written as automerge-js wrote it: the head is that of its document.
func TestTraceHasTheHeadOfAutomergeJS(t *testing.T) {
	edits, err := readEdits()
	if err != nil {
		t.Fatal(err)
	}
	actor, err := crdt.ParseHash("f1c303ad213a3f9d228844ef10bd7194" + strings.Repeat("00", 16))
	if err != nil {
		t.Fatal(err)
	}
	a := newAuthor(bufio.NewWriter(io.Discard), crdt.ActorID(actor[:16]))
	if err := writeTrace(a, edits, crdt.ActionMakeText); err != nil {
		t.Fatal(err)
	}
	const want = "1fdcdf35ba361e4c0c6d83150ad8412d564ce3df9a32cc6b444b4fed6deff908"
	if got := a.heads[0].String(); got != want {
		t.Errorf("the head is %s, want %s", got, want)
	}
}

// A run over a small document: the engines agree, and the table has all its rows.
func TestBench(t *testing.T) {
	edits, err := readEdits()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	b := newBencher(options{rounds: 1, budget: time.Millisecond, script: "engine.mjs"}, &out, io.Discard)
	for _, w := range workloads(0.01, edits) {
		if w.name != "list" {
			continue
		}
		out.Reset()
		if err := b.measure(w, filepath.Join(t.TempDir(), w.name), edits); err != nil {
			t.Fatalf("%s: %v", w.name, err)
		}
		for _, want := range []string{"| load |", "| save, ", "| apply a change |", "at once |", "earlier heads |", "| memory "} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no row with %q in\n%s", w.name, want, &out)
			}
		}
	}
}

// fixedProcess gives the same result for each task.
type fixedProcess result

func (f fixedProcess) run(string, string, time.Duration) (result, error) { return result(f), nil }

func TestDifferencesEndTheRun(t *testing.T) {
	same := result{Check: "head", Values: []string{"a", "b"}, Samples: []float64{1}}
	for name, other := range map[string]result{
		"heads":  {Check: "other", Values: []string{"a", "b"}, Samples: []float64{1}},
		"values": {Check: "head", Values: []string{"a", "c"}, Samples: []float64{1}},
	} {
		b := &bencher{o: options{rounds: 1}, contestants: []contestant{{"one", fixedProcess(same)}, {"two", fixedProcess(other)}}}
		if err := b.agree(""); err == nil {
			t.Errorf("%s that differ were taken as equal", name)
		}
		if _, err := b.rounds("load", ""); name == "heads" && err == nil {
			t.Error("a task ended in different heads, and nothing was said")
		}
	}
}
