package store

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"concord/internal/id"
)

// The test binary runs itself as a child process that is killed, or that meets a full disk.
const (
	childEnv    = "STORE_TEST_CHILD"
	childDirEnv = "STORE_TEST_DIR"
)

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "crash":
		crashChild(os.Getenv(childDirEnv))
	case "purge":
		purgeChild(os.Getenv(childDirEnv))
	case "full":
		fullDiskChild(os.Getenv(childDirEnv))
	default:
		goleak.VerifyTestMain(m)
	}
}

var testTime = time.UnixMilli(1_700_000_000_000).UTC()

func doc(company string, n byte) DocKey {
	return DocKey{Company: company, Document: id.DocumentID{n, 15: n}}
}

// chunk makes a change chunk whose checksum and hash are right; its content is filler.
func chunk(seed uint64, size int) Change {
	b := make([]byte, max(size, 24))
	copy(b, changeMagic)
	b[8] = 1
	binary.BigEndian.PutUint64(b[9:], seed)
	for i := 17; i < len(b); i++ {
		b[i] = byte(seed>>(i%8)) ^ byte(i*31)
	}
	h := sha256.Sum256(b[8:])
	copy(b[4:8], h[:4])
	return Change{Hash: h, Bytes: b}
}

// changes makes n changes that continue document d at first.
func changes(d DocKey, first uint64, n int) []Change {
	list := make([]Change, n)
	for i := range list {
		seed := (first+uint64(i))<<16 | uint64(d.Document[0])<<8 | uint64(len(d.Company))
		list[i] = chunk(seed, 40+int(seed>>16)%200)
	}
	return list
}

func appendOf(d DocKey, first uint64, n int) Append {
	list := changes(d, first, n)
	return Append{
		Doc: d, First: first, Changes: list, Heads: []Hash{list[n-1].Hash},
		By: Attribution{User: "alice", Device: "phone", Received: testTime.Add(time.Duration(first) * time.Millisecond)},
	}
}

func open(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// closeAndCheck closes the store and expects a clean file.
func closeAndCheck(t testing.TB, s *Store, dir string) Report {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	return checkClean(t, dir)
}

func checkClean(t testing.TB, dir string) Report {
	t.Helper()
	r, err := Check(context.Background(), dir, CheckOptions{NewDocument: newChain})
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	for _, f := range r.Faults {
		t.Errorf("fault: %v", f)
	}
	return r
}

// chain is a verifier for the tests' changes: the newest change is the head.
type chain struct{ last []Hash }

func newChain() DocumentVerifier { return &chain{} }

func (c *chain) Start(snap Snapshot) error {
	list, err := readSnapshot(snap)
	if err != nil || uint64(len(list)) != snap.Changes {
		return fmt.Errorf("snapshot has %d changes, %v", len(list), err)
	}
	c.last = []Hash{list[len(list)-1].Hash}
	return nil
}

// snapshotOf makes the tests' snapshot of changes: 4B length and bytes of each are the chunk, their hashes the graph.
func snapshotOf(list []Change) Snapshot {
	s := Snapshot{Changes: uint64(len(list))}
	for _, c := range list {
		s.Chunk = append(appendU32(s.Chunk, uint32(len(c.Bytes))), c.Bytes...)
		s.Graph = append(s.Graph, c.Hash[:]...)
	}
	return s
}

func readSnapshot(s Snapshot) (list []Change, err error) {
	hashes := splitHashes(s.Graph)
	for rest := s.Chunk; len(rest) > 0; {
		if len(rest) < 4 || len(rest)-4 < int(u32(rest)) || len(list) == len(hashes) {
			return list, errors.New("chunk is malformed")
		}
		c := Change{Hash: hashes[len(list)], Bytes: rest[4 : 4+u32(rest)]}
		if sha256.Sum256(c.Bytes[8:]) != c.Hash {
			return list, fmt.Errorf("change %d has another hash", len(list))
		}
		list, rest = append(list, c), rest[4+u32(rest):]
	}
	return list, nil
}

// readWhole returns all changes of a document, and how many of them are in its snapshot.
func readWhole(s *Store, d DocKey) (list []Change, covered int, err error) {
	snap, _, err := s.Snapshot(d)
	if err != nil {
		return nil, 0, err
	}
	if list, err = readSnapshot(snap); err != nil {
		return nil, 0, err
	}
	covered = len(list)
	err = s.Changes(d, uint64(covered), math.MaxUint64, func(_ uint64, c Change) error {
		list = append(list, Change{c.Hash, bytes.Clone(c.Bytes)})
		return nil
	})
	return list, covered, err
}

func sameChanges(a, b []Change) bool {
	return slices.EqualFunc(a, b, func(a, b Change) bool { return a.Hash == b.Hash && bytes.Equal(a.Bytes, b.Bytes) })
}

// putSnapshotOf replaces the first n changes of a document that appendOf made.
func putSnapshotOf(t testing.TB, s *Store, d DocKey, n int) error {
	t.Helper()
	list := changes(d, 0, n)
	return wait(t, func(done func(error)) error {
		return s.PutSnapshot(context.Background(), d, snapshotOf(list), func(i uint64) Hash { return list[i].Hash }, done)
	})
}

func (c *chain) Add(h Hash, b []byte) error {
	if len(b) < 24 {
		return errors.New("too short")
	}
	c.last = []Hash{h}
	return nil
}
func (c *chain) Heads() []Hash { return c.last }

// wait submits a write by call and returns what done got.
func wait(t testing.TB, call func(done func(error)) error) error {
	t.Helper()
	ch := make(chan error, 1)
	if err := call(func(err error) { ch <- err }); err != nil {
		return err
	}
	return <-ch
}

func put(t testing.TB, s *Store, a Append) error {
	t.Helper()
	return wait(t, func(done func(error)) error { return s.Append(t.Context(), a, done) })
}

func mustPut(t testing.TB, s *Store, a Append) {
	t.Helper()
	if err := put(t, s, a); err != nil {
		t.Fatalf("append: %v", err)
	}
}

// crashChild appends for ever to a few documents and prints each document and count that is acknowledged.
func crashChild(dir string) {
	s, err := Open(dir, Options{})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	var mu sync.Mutex
	out := bufio.NewWriter(os.Stdout)
	var writers sync.WaitGroup
	for n := range byte(8) {
		d := doc("acme", n)
		info, _, err := s.Document(d)
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		writers.Go(func() {
			next := info.Changes
			for i := 0; ; i++ {
				ch := make(chan error, 1)
				size := 1 + i%5
				if err := s.AppendAll(context.Background(), crashAppends(d, next, size), func(err error) { ch <- err }); err != nil {
					panic(err)
				}
				if err := <-ch; err != nil {
					panic(err)
				}
				next += uint64(size) + 1
				if i%3 == 2 {
					list := changes(d, 0, int(next)-size)
					err := s.PutSnapshot(context.Background(), d, snapshotOf(list), func(i uint64) Hash { return list[i].Hash }, nil)
					if err != nil {
						panic(err)
					}
				}
				mu.Lock()
				fmt.Fprintf(out, "ack %d %d\n", n, next)
				out.Flush()
				mu.Unlock()
			}
		})
	}
	writers.Wait()
}

// crashAppends are an edit and an answer to it, with a record and an audit entry that say how many changes there are.
func crashAppends(d DocKey, first uint64, size int) []Append {
	edit, answer := appendOf(d, first, size), appendOf(d, first+uint64(size), 1)
	count := record(d.Document[0], "count", fmt.Sprint(first+uint64(size)+1))
	edit.Records = []Record{record(d.Document[0], "count", "half")}
	answer.Records = []Record{count}
	answer.Audit = []AuditEntry{{Time: testTime, Action: ActionRevert, Document: d.Document, Detail: count.Value}}
	return []Append{edit, answer}
}

func dbPath(dir string) string { return filepath.Join(dir, fileName) }
