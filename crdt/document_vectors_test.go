package crdt

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// documentFiles returns the sample documents, which other implementations saved.
func documentFiles(tb testing.TB) map[string][]byte {
	tb.Helper()
	files := readGlob(tb, "documents/*.automerge")
	if len(files) < 30 {
		tb.Fatalf("only %d documents", len(files))
	}
	return files
}

// documentChunk returns the only chunk of a file.
func documentChunk(tb testing.TB, b []byte) Chunk {
	tb.Helper()
	c, rest, err := NextChunk(b)
	if err != nil || len(rest) > 0 {
		tb.Fatalf("%d bytes after the chunk, %v", len(rest), err)
	}
	return c
}

// expectedChanges returns the hashes of a document's changes in order, and as
// far as they are on file their chunks.
func expectedChanges(tb testing.TB, name string) (hashes []Hash, chunks [][]byte) {
	tb.Helper()
	base, _, _ := strings.Cut(name, ".")
	for _, ext := range []string{".changes", ".zchanges"} {
		if m, _ := filepath.Glob("testdata/codec/" + base + ext); len(m) == 0 {
			continue
		}
		for _, c := range chunksOf(tb, readGlob(tb, "codec/"+base+ext)[base+ext]) {
			ch, err := c.ParseChange(Limits{})
			if err != nil {
				tb.Fatal(err)
			}
			hashes, chunks = append(hashes, ch.Hash), append(chunks, ch.Bytes())
		}
		return hashes, chunks
	}
	if base == "history-10k" {
		for h := range slices.Chunk(readGlob(tb, "documents/"+base+".hashes")[base+".hashes"], len(Hash{})) {
			hashes = append(hashes, Hash(h))
		}
	}
	return hashes, nil
}

func TestDocumentVectors(t *testing.T) {
	for name, b := range documentFiles(t) {
		t.Run(name, func(t *testing.T) {
			hashes, chunks := expectedChanges(t, name)
			if hashes == nil && name != "edit-trace.automerge" {
				t.Fatal("no changes to compare with")
			}
			i := 0
			d, err := documentChunk(t, b).ParseDocument(Limits{}, func(c DocumentChange) error {
				if c.Row != i {
					t.Errorf("row %d is called %d", i, c.Row)
				}
				if hashes != nil && c.Hash != hashes[i] {
					t.Fatalf("change %d has hash %s, want %s", i, c.Hash, hashes[i])
				}
				if chunks != nil && !bytes.Equal(c.Raw, chunks[i]) {
					t.Fatalf("change %d is\n%x, want\n%x", i, c.Raw, chunks[i])
				}
				checkDocumentChange(t, c)
				i++
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if d.NumChanges != i || hashes != nil && len(hashes) != i {
				t.Errorf("%d changes visited, document says %d, want %d", i, d.NumChanges, len(hashes))
			}
		})
	}
}

// checkDocumentChange checks a rebuilt change against its own chunk.
func checkDocumentChange(tb testing.TB, c DocumentChange) {
	tb.Helper()
	ch, err := ParseChange(c.Raw, Limits{})
	if err != nil {
		tb.Fatalf("change %d: %v", c.Row, err)
	}
	same := ch.Hash == c.Hash && slices.Equal(ch.Deps, c.Deps) && ch.Actor == c.Actor && ch.Seq == c.Seq && ch.StartOp == c.StartOp &&
		ch.NumOps == c.NumOps && slices.Equal(ch.OtherActors, c.OtherActors) && slices.Equal(ch.Header().OtherOps, c.OtherOps) &&
		ch.Time == c.Time && ch.Message == string(c.Message) && bytes.Equal(ch.Extra, c.Extra)
	if !same {
		tb.Fatalf("change %d is %+v, its chunk %+v", c.Row, c, ch)
	}
}

func TestDocumentAcceptance(t *testing.T) {
	var cases []struct {
		Name, Want, Hex string
		JS              struct{ Heads []string }
	}
	readJSON(t, "documents/acceptance.json", &cases)
	if len(cases) < 20 {
		t.Fatalf("only %d cases", len(cases))
	}
	reasons := map[string]Reason{
		"extra trailing bytes": ReasonMalformed, "wrong head hash": ReasonBadDocument, "heads not sorted": ReasonBadDocument,
		"a head missing": ReasonBadDocument, "non-canonical action column": ReasonNotCanonical, "op columns out of order": ReasonNotCanonical,
		"id counter column short": ReasonBadPred, "extra length column missing": ReasonMalformed, "column with zlib header": ReasonMalformed,
		"bad checksum": ReasonChecksum, "a byte changed in the ops": ReasonChecksum, "truncated": ReasonMalformed,
		"maxOp lowered": ReasonBadDocument, "seq changed": ReasonBadDocument, "time changed": ReasonBadDocument,
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			d, err := parseDocument(unhex(t, c.Hex), Limits{}, nil)
			if c.Want == "reject" {
				wantDocumentReason(t, d, err, reasons[c.Name])
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			wantHeads(t, d, c.JS.Heads)
		})
	}
}

func parseDocument(b []byte, lim Limits, visit func(DocumentChange) error) (*DocumentChunk, error) {
	c, _, err := NextChunk(b)
	if err != nil {
		return nil, err
	}
	return c.ParseDocument(lim, visit)
}

func wantDocumentReason(tb testing.TB, d *DocumentChunk, err error, want Reason) {
	tb.Helper()
	var refusal *RefusalError
	if d != nil || !errors.As(err, &refusal) || refusal.Reason != want {
		tb.Fatalf("document %v with error %v, want reason %q", d != nil, err, want)
	}
}

func wantHeads(tb testing.TB, d *DocumentChunk, want []string) {
	tb.Helper()
	var heads []string
	for _, h := range d.Heads {
		heads = append(heads, h.String())
	}
	if !slices.Equal(heads, want) {
		tb.Fatalf("heads %v, want %v", heads, want)
	}
}

// What automerge-js refused, or could not load again, is refused here.
func TestDocumentMutations(t *testing.T) {
	var file struct {
		Cases []struct {
			Hex   string
			Heads []string
		}
	}
	readJSON(t, "documents/mutations.json.gz", &file)
	if len(file.Cases) < 150 {
		t.Fatalf("only %d cases", len(file.Cases))
	}
	for i, c := range file.Cases {
		d, err := parseDocument(unhex(t, c.Hex), Limits{}, func(c DocumentChange) error {
			checkDocumentChange(t, c)
			return nil
		})
		switch {
		case err == nil && c.Heads == nil:
			t.Errorf("case %d is accepted: %s", i, c.Hex)
		case err != nil && c.Heads != nil:
			t.Errorf("case %d: %v", i, err)
		case err == nil:
			wantHeads(t, d, c.Heads)
		}
	}
}

// Files of other projects, some of which crashed them.
func TestDocumentFixtures(t *testing.T) {
	want := map[string]Reason{
		"upstream-64bit_obj_id_doc.automerge":                ReasonMalformed,
		"upstream-brave-ape-49.automerge":                    "",
		"upstream-broken_zero_width_mark.automerge":          ReasonBadOp,
		"upstream-exemplar.automerge":                        "",
		"upstream-crashers-incorrect_max_op.automerge":       ReasonMalformed,
		"upstream-crashers-invalid_deflate_stream.automerge": ReasonChecksum,
		"upstream-crashers-missing_actor.automerge":          ReasonMalformed,
		"upstream-crashers-overflow_in_length.automerge":     ReasonNotCanonical,
		"upstream-crashers-too_many_deps.automerge":          ReasonMalformed,
		"upstream-crashers-too_many_ops.automerge":           ReasonMalformed,
		"hostile-crash-load-1.bin":                           ReasonBadOp,
		"hostile-crash-load-2.bin":                           ReasonBadOp,
		"hostile-crash-load-3.bin":                           ReasonNotCanonical,
		"hostile-crash-load-12.bin":                          ReasonBadOp,
		"hostile-crash-load-14.bin":                          ReasonNotCanonical,
		"hostile-crash-load-15.bin":                          ReasonBadOp,
		"hostile-crash-load-16.bin":                          ReasonBadOp,
	}
	files := readGlob(t, "fixtures/*")
	for name, reason := range want {
		d, err := parseDocument(files[name], Limits{}, func(c DocumentChange) error {
			checkDocumentChange(t, c)
			return nil
		})
		var refusal *RefusalError
		switch {
		case files[name] == nil:
			t.Errorf("%s is missing", name)
		case reason == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case reason != "" && (d != nil || !errors.As(err, &refusal) || refusal.Reason != reason):
			t.Errorf("%s: %v, want reason %s", name, err, reason)
		}
	}
}
