package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"concord/internal/id"
)

// RestoreOptions tunes Restore. The zero value restores everything.
type RestoreOptions struct {
	Company  string         // only what is this company's; empty means all
	Document *id.DocumentID // only this document, of Company, with the company's revocations and audit entries; nil means all

	// Until, which needs Document, Split and Dependencies, leaves out the changes that were received later, those that
	// depend on one of them, and the document's conflicts. Zero means all changes.
	Until time.Time

	// Split calls fn for the chunks of the changes that a snapshot covers, in the order of their indexes.
	Split func(snap Snapshot, fn func(chunk []byte) error) error

	// Dependencies returns the hashes of the changes that a change depends on.
	Dependencies func(chunk []byte) ([]Hash, error)

	// Verify and Tables are CheckOptions.NewDocument and CheckOptions.Tables, for the check of what was restored.
	Verify func() DocumentVerifier
	Tables map[Table]func(company string, key, value []byte) error

	// Progress is called now and then; Total is 0 while the backups are read, whose size isn't known. Nil means never.
	Progress func(Progress)
}

func (o RestoreOptions) validate() error {
	switch {
	case o.Document != nil && o.Company == "":
		return fmt.Errorf("a document is to be restored, but of no company: %w", ErrInvalid)
	case !o.Until.IsZero() && (o.Document == nil || o.Split == nil || o.Dependencies == nil):
		return fmt.Errorf("only one document can be restored until a time: %w", ErrInvalid)
	}
	return nil
}

// While a folder is restored, its file doesn't have its name.
const (
	stagedName   = "restore-staged.tmp"
	restoredName = "restore.tmp"
)

// Restore makes a data folder of a full backup and those that continue it, in their order. The folder must be empty, or
// not exist; its file gets its name when everything was checked, so that a restore which was cut off before leaves none, and
// can be repeated; a folder with that file is whole, also when nobody was told. The storage ID is a fresh one, and there
// are no sync states: clients offer what they have anew. Documents that were purged before the last backup ended don't come back.
//
// The report is that of the check. ErrBackup says that a backup is damaged, incomplete or out of turn; ErrNotFound, or
// ErrPurged, that the company or the document of o isn't in it. What is read is bounded before it takes memory.
func Restore(ctx context.Context, dir string, backups []io.Reader, o RestoreOptions) (Report, error) {
	report, err := restore(ctx, dir, backups, o)
	if err != nil {
		return Report{}, fmt.Errorf("restore into %s: %w", dir, err)
	}
	return report, nil
}

func restore(ctx context.Context, dir string, backups []io.Reader, o RestoreOptions) (report Report, err error) {
	if err := o.validate(); err != nil {
		return Report{}, err
	}
	if err := emptyFolder(dir); err != nil {
		return Report{}, err
	}
	staged, restored := filepath.Join(dir, stagedName), filepath.Join(dir, restoredName)
	defer func() {
		os.Remove(staged)
		if err != nil {
			os.Remove(restored)
		}
	}()
	if err := build(ctx, staged, restored, backups, o); err != nil {
		return Report{}, err
	}
	// It may hold what isn't to be restored, and so must never be seen beside the data file.
	if err := os.Remove(staged); err != nil {
		return Report{}, err
	}
	report, err = Check(ctx, restored, CheckOptions{NewDocument: o.Verify, Tables: o.Tables, Progress: o.Progress, MaxFaults: 10})
	if err != nil {
		return Report{}, err
	}
	if !report.OK() {
		return Report{}, fmt.Errorf("what was restored has %d faults, the first is: %s: %w", report.Count, report.Faults[0], ErrBackup)
	}
	if err := os.Rename(restored, filepath.Join(dir, fileName)); err != nil {
		return Report{}, err
	}
	return report, errors.Join(syncDir(dir), syncDir(filepath.Dir(dir)))
}

// emptyFolder makes a folder, unless there is an empty one.
func emptyFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(e os.DirEntry) bool {
		left := e.Name() == stagedName || e.Name() == restoredName // by a restore that was cut off
		return left && os.Remove(filepath.Join(dir, e.Name())) == nil
	})
	if len(list) > 0 {
		return fmt.Errorf("the folder isn't empty, it has %s: %w", list[0].Name(), os.ErrExist)
	}
	return nil
}

// build makes the file at restored, by way of the one at staged, which has everything that the backups hold.
func build(ctx context.Context, staged, restored string, backups []io.Reader, o RestoreOptions) (err error) {
	defer guard(&err, nil)()
	from, err := openBolt(staged, bbolt.Options{FreelistType: bbolt.FreelistMapType, NoFreelistSync: true, NoSync: true})
	if err != nil {
		return err
	}
	defer from.Close()
	if err := readBackups(ctx, from, backups, o); err != nil {
		return err
	}
	to, err := openBolt(restored, bbolt.Options{FreelistType: bbolt.FreelistMapType, NoFreelistSync: true, NoSync: true})
	if err != nil {
		return err
	}
	err = from.View(func(tx *bbolt.Tx) error { return unstage(ctx, reader{tx: tx}, to, o) })
	if err == nil {
		err = to.Sync()
	}
	return errors.Join(err, to.Close())
}

// steps writes to a file in transactions of a bounded size.
type steps struct {
	db *bbolt.DB
	*batch
	size int
}

func (s *steps) begin() error {
	tx, err := s.db.Begin(true)
	if err != nil {
		return err
	}
	s.batch, s.size = newBatch(tx), 0
	return nil
}

// stepSize is how many bytes go into one transaction, more or less.
const stepSize = 8 << 20

// wrote counts bytes and goes on in another transaction when there are enough.
func (s *steps) wrote(n int) error {
	if s.failed != nil {
		return s.failed
	}
	if s.size += n + overhead; s.size < stepSize {
		return nil
	}
	if err := s.commit(); err != nil {
		return err
	}
	return s.begin()
}

func (s *steps) commit() error {
	if s.failed != nil {
		return s.failed
	}
	return s.tx.Commit()
}

// rollback ends the transaction if commit didn't.
func (s *steps) rollback() {
	if s.batch != nil {
		s.tx.Rollback()
	}
}
