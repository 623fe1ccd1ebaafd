package nodefs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"concord/crdt"
	"concord/internal/id"
)

const docA = "4NMNnkMhL8jXrdJ9jamS58PAVdXu"

func save(t *testing.T) []byte {
	t.Helper()
	d := crdt.New()
	d.SetActor("an actor of 16 b")
	if _, err := d.Edit(crdt.EditOptions{}, func(tx *crdt.Tx) error {
		_, err := tx.Set(crdt.Root, "number", "4711")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return d.Save()
}

func write(t *testing.T, dir, path string, b []byte) {
	t.Helper()
	path = filepath.Join(dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	b := save(t)
	folder := docA[:2] + "/" + docA[2:]
	write(t, dir, folder+"/incremental/bb", b)
	write(t, dir, folder+"/snapshot/aa", b)
	write(t, dir, folder+"/sync-state/cc", []byte("not a chunk"))
	write(t, dir, folder+"/incremental/empty", nil)
	write(t, dir, "st/orage-adapter-id", []byte("a UUID"))
	write(t, dir, "xx/no-document/snapshot/aa", b)
	docs, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := id.Parse(docA)
	if len(docs) != 1 || docs[0].ID != want {
		t.Fatalf("got %v", docs)
	}
	var paths []string
	for _, f := range docs[0].Files {
		paths = append(paths, f.Path)
	}
	if got := strings.Join(paths, " "); got != folder+"/snapshot/aa "+folder+"/incremental/bb" {
		t.Errorf("files %s", got)
	}
	if docs[0].Size() != int64(2*len(b)) {
		t.Errorf("size %d", docs[0].Size())
	}
	if got, err := Read(dir, docs[0].Files[0], 1<<20); err != nil || string(got) != string(b) {
		t.Errorf("read: %v", err)
	}
	if _, err := Read(dir, docs[0].Files[0], int64(len(b)-1)); err == nil {
		t.Error("a file over the limit was read")
	}
	b[len(b)-1] ^= 1
	write(t, dir, folder+"/snapshot/aa", b)
	if _, err := Read(dir, docs[0].Files[0], 1<<20); err == nil {
		t.Error("a damaged file was read")
	}
}

func TestOpenWrongFolder(t *testing.T) {
	if _, err := Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "NodeFSStorageAdapter") {
		t.Errorf("got %v", err)
	}
}
