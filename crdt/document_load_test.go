package crdt

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseOpSet(t *testing.T) {
	files, err := filepath.Glob("testdata/documents/*.automerge")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			chunk, _, err := NextChunk(raw)
			if err != nil {
				t.Fatal(err)
			}
			applied := NewOpSet()
			parsed, doc, err := chunk.ParseOpSet(Limits{}, func(c DocumentChange) error {
				change, err := ParseChange(append([]byte(nil), c.Raw...), Limits{})
				if err != nil {
					return err
				}
				return applied.Apply(change, nil)
			})
			if err != nil {
				t.Fatal(err)
			}
			read, err := chunk.ReadOpSet(Limits{})
			if err != nil {
				t.Fatal(err)
			}
			want := rowTexts(t, applied)
			if len(want) != doc.NumRows {
				t.Errorf("%d rows, %d stored", len(want), doc.NumRows)
			}
			for name, s := range map[string]*OpSet{"parsed": parsed, "read": read} {
				if d := cmp.Diff(want, rowTexts(t, s)); d != "" {
					t.Errorf("%s: %s", name, d)
				}
			}
			var stored []string
			if err := doc.eachRow(func(r *docRow) error {
				stored = append(stored, rowText(doc.Actors, r))
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if strings.Join(stored, "\n") != strings.Join(want, "\n") {
				t.Error("rows are in another order than stored")
			}
		})
	}
}
