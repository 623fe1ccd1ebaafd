package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sync/semaphore"
)

const (
	fileName      = "concord.db"
	formatVersion = 4
	lockTimeout   = time.Second

	// initialMmap reserves address space, not memory: growing the file within it never has to wait for readers.
	initialMmap = 256 << 20
)

var (
	formatKey    = []byte("format")
	storageIDKey = []byte("storage-id")
)

// Options tunes a store. The zero value is usable.
type Options struct {
	// QueueBytes bounds what is submitted and not yet committed. Zero means 32 MiB. One write that is larger
	// than the bound is let in when nothing else is queued.
	QueueBytes int64

	// RejectionLimit is how many rejections are kept per company; the oldest go first. Zero means 1,000.
	RejectionLimit int

	// OnFailure is called once, on the notifier goroutine, when a commit failed, after the callbacks of all
	// writes that this failed. The process should say why and exit. It must not call Close.
	OnFailure func(error)

	// OnNumbered is called for what each commit has put with Record.Next, after its fsync and before the callbacks of its
	// writes, in the order of the commits: the values of the records with the numbers from first on. It may keep the values,
	// but not change them, and must not block. It can be called before Open has returned. Nil means never.
	OnNumbered func(company string, t Table, first uint64, values [][]byte)

	// OnPurged is called when a document was purged, after the fsync and before Purge's callback. It must not block. Nil
	// means never.
	OnPurged func(DocKey)

	// Logger is told what a wipe of purged documents meets; nobody waits for these. Nil means nobody.
	Logger *slog.Logger

	// Now is the clock that expires revocations. Nil means time.Now.
	Now func() time.Time

	hooks commitHooks
}

// commitHooks inject faults: an error from before keeps the commit from happening, one from after makes a commit
// that happened count as failed.
type commitHooks struct {
	before, after func() error

	busy     func() bool // tells a wipe that others have freed pages
	keepFree bool        // leaves out what overwrites free pages, as if that were faulty
}

func (o Options) withDefaults() Options {
	if o.QueueBytes == 0 {
		o.QueueBytes = 32 << 20
	}
	if o.RejectionLimit == 0 {
		o.RejectionLimit = 1000
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func (o Options) validate() error {
	if o.QueueBytes < 1 {
		return fmt.Errorf("queue bytes are %d, they must be at least 1", o.QueueBytes)
	}
	if o.RejectionLimit < 1 {
		return fmt.Errorf("rejection limit is %d, it must be at least 1", o.RejectionLimit)
	}
	return nil
}

// Store is an open data folder. All methods are safe for concurrent use.
type Store struct {
	db        *bbolt.DB
	o         Options
	storageID string
	space     *semaphore.Weighted // room in the queue, in bytes
	snapshots *semaphore.Weighted // one for each PutSnapshot, all for a backup
	readOnly  bool

	mu        sync.Mutex // guards the following fields
	work      sync.Cond  // queue, closing
	notify    sync.Cond  // finished, stopped
	queue     []*write   // submitted, in order
	late      *write     // goes with the next of these; see writeLate
	finished  []*write   // committed or failed, callbacks not called
	submitted time.Time  // latest write that wasn't late
	closing   bool
	stopped   bool  // the committer has returned
	failure   error // wraps ErrFailed
	stats     Stats

	generation uint32 // highest one given to a snapshot

	readers readers
	wiper   *wiper

	running   sync.WaitGroup // committer, notifier and wiper
	closeOnce sync.Once
	closeErr  error
}

// Open opens the data folder and creates what is missing. It returns ErrLocked, after at most a second, when another
// process holds the folder, ErrVersion for a file of a newer program, and ErrCorrupt for a damaged one.
func Open(dir string, o Options) (*Store, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	db, err := openFile(dir)
	if err != nil {
		return nil, fmt.Errorf("open data folder %s: %w", dir, err)
	}
	s := &Store{db: db, o: o, space: semaphore.NewWeighted(o.QueueBytes), snapshots: semaphore.NewWeighted(manySnapshots), wiper: newWiper()}
	s.work.L, s.notify.L = &s.mu, &s.mu
	trims, err := s.prepare()
	if err != nil {
		db.Close()
		if beyondAnyFile(err) {
			err = fmt.Errorf("page structure is damaged: %w: %w", err, ErrCorrupt)
		}
		return nil, fmt.Errorf("open data folder %s: %w", dir, err)
	}
	for _, t := range trims {
		s.generation = max(s.generation, t.upTo) // no snapshot may get one that is being deleted
	}
	s.running.Add(3)
	go s.runCommitter()
	go s.runNotifier()
	go s.runWiper()
	for _, t := range trims {
		s.trim(t.key, t.upTo)
	}
	return s, nil
}

// beyondAnyFile reports whether a write failed because its offset, made from a
// damaged page number, can't be one.
func beyondAnyFile(err error) bool {
	var pe *fs.PathError
	return errors.Is(err, syscall.EFBIG) || errors.Is(err, syscall.EINVAL) ||
		errors.As(err, &pe) && pe.Op == "writeat" && pe.Err.Error() == "negative offset"
}

// openFile opens or creates the bbolt file and makes its name durable.
func openFile(dir string) (db *bbolt.DB, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, fileName)
	if err := verifyPages(path); err != nil {
		return nil, err
	}
	_, statErr := os.Stat(path)
	// The list of free pages, which grows with what snapshots have replaced, would be written with each commit. It is
	// found again by walking the pages when the file is opened.
	db, err = openBolt(path, bbolt.Options{FreelistType: bbolt.FreelistMapType, NoFreelistSync: true, InitialMmapSize: initialMmap})
	if err != nil {
		return nil, err
	}
	if errors.Is(statErr, os.ErrNotExist) {
		// bbolt syncs the file, not the folders that name it.
		if err := errors.Join(syncDir(dir), syncDir(filepath.Dir(dir))); err != nil {
			db.Close()
			return nil, err
		}
	}
	return db, nil
}

// openBolt opens a bbolt file. When bbolt panics over a damaged page it leaves the file open, mapped and locked.
func openBolt(path string, o bbolt.Options) (db *bbolt.DB, err error) {
	var f *os.File
	defer func() {
		if errors.Is(err, ErrCorrupt) && f != nil {
			unlock(f) // f may be closed already, which does no harm
			f.Close()
		}
	}()
	defer guard(&err, nil)()
	o.Timeout = lockTimeout
	o.NoStatistics = o.ReadOnly // a wipe has to know how many pages are free
	o.OpenFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
		var err error
		f, err = os.OpenFile(name, flag, mode)
		return f, err
	}
	if db, err = bbolt.Open(path, 0o600, &o); err != nil {
		return nil, openError(err)
	}
	return db, nil
}

// openError tells a lock and the system's errors from what bbolt says of a file that it can't read.
func openError(err error) error {
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return ErrLocked
	case errors.As(err, new(syscall.Errno)):
		return err
	}
	return fmt.Errorf("%s is not a readable bbolt file: %w: %w", fileName, err, ErrCorrupt)
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// prepare creates the buckets of a new file, brings an old one up to this format, and expires revocations. It returns
// the documents to trim.
func (s *Store) prepare() (trims []trimming, err error) {
	defer guard(&err, nil)()
	tx, err := s.db.Begin(true)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	b := newBatch(tx)
	if first, _ := tx.Cursor().First(); first == nil {
		err = b.create()
	} else {
		err = b.upgrade()
	}
	if err != nil {
		return nil, err
	}
	text, ok, err := b.get(metaBucket, storageIDKey)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, metaBucket.corrupt(storageIDKey, "record is missing")
	}
	s.storageID = string(text)
	if trims, err = b.trims(); err != nil {
		return nil, err
	}
	if err := b.expireRevocations(s.o.Now()); err != nil {
		return nil, err
	}
	if b.failed != nil {
		return nil, b.failed
	}
	return trims, tx.Commit()
}

func (b *batch) create() error {
	if err := b.createBuckets(0); err != nil {
		return err
	}
	b.put(metaBucket, storageIDKey, []byte(newUUID()))
	return b.failed
}

// createBuckets adds what came after a format version.
func (b *batch) createBuckets(version uint32) error {
	for _, def := range allBuckets {
		if def.since <= version {
			continue
		}
		if _, err := b.tx.CreateBucket([]byte(def.name)); err != nil {
			return fmt.Errorf("create bucket %s: %w", def.name, err)
		}
	}
	b.put(metaBucket, formatKey, appendU32(nil, formatVersion))
	return b.failed
}

func (b *batch) upgrade() error {
	version, err := b.format()
	if err != nil || version == formatVersion {
		return err
	}
	if err := b.createBuckets(version); err != nil || version >= 3 {
		return err
	}
	return b.indexEditors()
}

// format returns the version of the file. It refuses files of newer programs, and files that aren't ours.
func (r reader) format() (uint32, error) {
	v, ok, err := r.get(metaBucket, formatKey)
	switch {
	case err != nil:
		return 0, err
	case !ok || len(v) != 4 || u32(v) == 0:
		return 0, metaBucket.corrupt(formatKey, "format version is missing")
	case u32(v) > formatVersion:
		return 0, fmt.Errorf("%w: the file has format %d, this program reads up to %d", ErrVersion, u32(v), formatVersion)
	}
	return u32(v), nil
}

// newUUID returns a random (version 4) UUID as text.
func newUUID() string {
	var u [16]byte
	rand.Read(u[:])
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// StorageID is the UUID that the store got at its creation: the node's lasting identity towards clients.
func (s *Store) StorageID() string { return s.storageID }

// Close commits what was submitted, waits for its callbacks and for running reads, and closes the file. Further
// calls wait for the first and return the same error, which is the failure when a commit had failed.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		s.mu.Lock()
		s.closing = true
		close(s.wiper.quit)
		s.work.Broadcast()
		s.mu.Unlock()
		s.running.Wait()
		s.closeErr = errors.Join(s.failure, s.db.Close())
	})
	return s.closeErr
}
