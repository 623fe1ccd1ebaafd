package crdt

import (
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// readJSON decodes a JSON file of testdata, gunzipping names that end in .gz.
func readJSON(tb testing.TB, name string, v any) {
	tb.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	dec := json.NewDecoder(f)
	if filepath.Ext(name) == ".gz" {
		z, err := gzip.NewReader(f)
		if err != nil {
			tb.Fatal(err)
		}
		dec = json.NewDecoder(z)
	}
	if err := dec.Decode(v); err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
}

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// chunksOf splits a concatenation of chunks.
func chunksOf(tb testing.TB, b []byte) []Chunk {
	tb.Helper()
	var chunks []Chunk
	for len(b) > 0 {
		c, rest, err := NextChunk(b)
		if err != nil {
			tb.Fatal(err)
		}
		chunks, b = append(chunks, c), rest
	}
	return chunks
}

// readGlob returns the contents of the testdata files that match pattern, by name.
func readGlob(tb testing.TB, pattern string) map[string][]byte {
	tb.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(names) == 0 {
		tb.Fatalf("no files match %s (%v)", pattern, err)
	}
	files := make(map[string][]byte)
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		files[filepath.Base(name)] = b
	}
	return files
}

// acceptanceCase is one case of testdata/acceptance.json: chunks, and whether
// the engine should accept, queue or reject the last of them.
type acceptanceCase struct {
	Name   string
	Want   string
	Chunks []string
}

func readAcceptance(tb testing.TB) []acceptanceCase {
	tb.Helper()
	var cases []acceptanceCase
	readJSON(tb, "acceptance.json", &cases)
	if len(cases) < 90 {
		tb.Fatalf("only %d cases", len(cases))
	}
	return cases
}
