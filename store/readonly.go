package store

import (
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
	"golang.org/x/sync/semaphore"
)

// OpenReadOnly opens a data folder, or a copy of its file, without ever changing it. A shared lock keeps a server from
// starting meanwhile. Writes are refused with ErrReadOnly, and StorageID is empty. The errors are those of Open; a
// folder without a file is fs.ErrNotExist.
func OpenReadOnly(dir string) (*Store, error) {
	path := dir
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		path = filepath.Join(dir, fileName)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	if info.Size() == 0 { // bbolt would write the first pages
		return nil, fmt.Errorf("open %s: the file is empty: %w", path, ErrCorrupt)
	}
	db, err := openBolt(path, bbolt.Options{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	o := Options{}.withDefaults()
	s := &Store{db: db, o: o, space: semaphore.NewWeighted(o.QueueBytes), snapshots: semaphore.NewWeighted(manySnapshots), readOnly: true, wiper: newWiper()}
	s.wiper.finish(ErrReadOnly)
	s.work.L, s.notify.L = &s.mu, &s.mu
	if err := s.view(nil, func(r reader) error { _, err := r.format(); return err }); err != nil {
		db.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return s, nil
}
