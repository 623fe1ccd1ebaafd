package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.etcd.io/bbolt"
)

// CheckOptions tunes Check. The zero value checks all that the store can know without parsing changes.
type CheckOptions struct {
	// Progress is called now and then, and at the end. Nil means never.
	Progress func(Progress)

	// NewDocument makes the verifier of one document. Nil leaves out what needs the changes to be parsed.
	NewDocument func() DocumentVerifier

	// Tables are functions of those who know the form of tables. They are called with the records whose checksums hold,
	// but for those of purged documents: table by table, in the order in which the constants of Table are declared. At
	// the end of all tables, each is called once more, with a nil key. Each error is a fault.
	Tables map[Table]func(company string, key, value []byte) error

	// MaxFaults bounds Report.Faults; more are only counted. Zero means 1,000.
	MaxFaults int
}

// DocumentVerifier rebuilds a document's change graph. Start, which comes first if at all, gets the document's snapshot
// and proves that its chunk holds the changes of its graph, in that order. Add gets the other changes in stored order.
// Neither may keep the bytes.
type DocumentVerifier interface {
	Start(Snapshot) error
	Add(hash Hash, chunk []byte) error
	Heads() []Hash
}

// Progress counts records. Total is known from the start.
type Progress struct{ Done, Total uint64 }

// Report is what Check found.
type Report struct {
	Documents uint64
	Changes   uint64
	Bytes     uint64 // sum of the changes' chunk bytes
	Snapshots uint64
	Records   uint64 // of all buckets
	FileBytes uint64
	Faults    []Fault
	Count     uint64 // faults, including those beyond CheckOptions.MaxFaults
}

// OK tells whether no fault was found.
func (r Report) OK() bool { return r.Count == 0 }

// Fault is one thing wrong in the file.
type Fault struct {
	Bucket   string // empty for a fault of the file itself
	Key      string // in hexadecimal, may be empty
	Company  string // of the document that the key belongs to, if any
	Document string
	Problem  string
	Advice   string // what to do
}

func (f Fault) String() string {
	var b strings.Builder
	if f.Bucket != "" {
		fmt.Fprintf(&b, "bucket %s, ", f.Bucket)
	}
	if f.Key != "" {
		fmt.Fprintf(&b, "key %s, ", f.Key)
	}
	if f.Document != "" {
		fmt.Fprintf(&b, "document %s of company %q, ", f.Document, f.Company)
	}
	if where := strings.TrimSuffix(b.String(), ", "); where != "" {
		return where + ": " + f.Problem + "; " + f.Advice
	}
	return f.Problem + "; " + f.Advice
}

const (
	adviceRestore = "keep a copy of the file and restore the latest backup"
	adviceReport  = "keep a copy of the file and report this as a defect of Concord"
	adviceMeta    = "the file opens with its other meta page, and the next two commits write both anew; " +
		"unless the machine has lost power, the latest commit may be missing: compare with a backup"
	adviceUnused = "no data is affected; a compacted copy gets rid of it"
	adviceClient = "clients that hold the document only repeat one sync; restore the latest backup when more is damaged"
)

// checker collects the report.
type checker struct {
	ctx    context.Context
	o      CheckOptions
	report Report
	total  uint64
	done   uint64
	pages  *pageWalker
	unsafe bool // bbolt can't be trusted to read the trees
	noFree bool // nor the freelist
}

// fault records a fault of the file itself.
func (c *checker) fault(advice, format string, args ...any) {
	c.add(Fault{Problem: fmt.Sprintf(format, args...), Advice: advice})
}

func (c *checker) add(f Fault) {
	c.report.Count++
	if len(c.report.Faults) < c.o.MaxFaults {
		c.report.Faults = append(c.report.Faults, f)
	}
}

// progressEvery is the number of records between two calls of Progress and looks at the context.
const progressEvery = 1024

// step counts a record.
func (c *checker) step() error {
	c.done++
	if c.done%progressEvery != 0 {
		return nil
	}
	c.tell()
	return c.ctx.Err()
}

func (c *checker) tell() {
	if c.o.Progress != nil {
		c.o.Progress(Progress{Done: min(c.done, c.total), Total: c.total})
	}
}

// Check verifies a data folder, or a copy of its file, without changing it: the page structure, every record's
// checksum and form, every change's SHA-256, every snapshot, the numbering of changes, attribution without gaps, counts, heads, and
// references between buckets. An error means that the check couldn't be made: ErrLocked when a server holds the
// folder (check a copy, or stop it). Faults are in the report.
func Check(ctx context.Context, dir string, o CheckOptions) (Report, error) {
	if o.MaxFaults == 0 {
		o.MaxFaults = 1000
	}
	path := dir
	info, err := os.Stat(dir)
	if err == nil && info.IsDir() {
		path = filepath.Join(dir, fileName)
		info, err = os.Stat(path)
	}
	if err != nil {
		return Report{}, fmt.Errorf("check %s: %w", dir, err)
	}
	c := &checker{ctx: ctx, o: o}
	c.report.FileBytes = uint64(info.Size())
	if info.Size() == 0 {
		c.fault(adviceRestore, "the file is empty")
		return c.report, nil
	}
	if err := c.run(path); err != nil {
		return Report{}, fmt.Errorf("check %s: %w", path, err)
	}
	return c.report, nil
}

func (c *checker) run(path string) error {
	// The shared lock keeps a server from starting meanwhile.
	db, err := openBolt(path, bbolt.Options{ReadOnly: true})
	if errors.Is(err, ErrCorrupt) {
		c.fault(adviceRestore, "%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	defer db.Close()
	if err := c.checkPages(path, false); err != nil {
		return err
	}
	if c.unsafe {
		c.fault(adviceRestore, "records weren't checked because the page structure is damaged")
		return nil
	}
	c.total = c.report.Records
	c.tell()
	if !c.noFree {
		if err := c.read(db, c.checkBolt); err != nil {
			return err
		}
	}
	if err := c.read(db, c.checkRecords); err != nil {
		return err
	}
	c.done = c.total
	c.tell()
	return nil
}

// read runs one pass in a transaction. A panic in bbolt ends the pass with a fault.
func (c *checker) read(db *bbolt.DB, pass func(reader) error) error {
	err := func() (err error) {
		defer guard(&err, nil)()
		return db.View(func(tx *bbolt.Tx) error { return pass(reader{tx: tx}) })
	}()
	switch {
	case errors.Is(err, ErrVersion), c.ctx.Err() != nil:
		return err
	case err != nil:
		c.fault(adviceRestore, "%v", err)
	}
	return nil
}

// checkBolt runs bbolt's own check.
func (c *checker) checkBolt(r reader) error {
	for err := range r.tx.Check() {
		c.fault(adviceRestore, "bbolt: %v", err)
	}
	return nil
}
