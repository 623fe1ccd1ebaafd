package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"concord/internal/id"
)

// fill makes a data folder with at least one record in every bucket, and several pages.
func fill(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	s := open(t, dir, Options{Now: func() time.Time { return testTime }})
	for n := range byte(6) {
		for first := uint64(0); first < 30; first += 10 {
			a := appendOf(doc("acme", n), first, 10)
			a.By.User = fmt.Sprint("user", first)
			mustPut(t, s, a)
		}
	}
	states := []SyncState{{SyncKey{"acme", "alice", "phone", doc("", 1).Document}, []byte("state")}}
	if err := s.PutSyncStates(t.Context(), states, nil); err != nil {
		t.Fatal(err)
	}
	reject(t, s, Rejection{Company: "acme", User: "alice", Reason: "seq-gap", Last: testTime})
	r := Revocation{Company: "acme", Kind: RevokeToken, ID: "jti", At: testTime, Until: testTime.Add(time.Hour)}
	if err := s.PutRevocation(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
	mustSnapshot(t, s, doc("acme", 5), 20)
	mustPutRecords(t, s, "acme", oneOfEach(5), auditEntry("backup"), auditEntry("import"))
	settle(t, s)
	a := appendOf(doc("acme", 6), 0, 10)
	a.By.User = "user20"
	mustPut(t, s, a)
	for n := byte(6); n < 8; n++ {
		purge(t, s, doc("acme", n), Purge{At: testTime})
		awaitWipe(t, s, doc("acme", n))
	}
	closeAndCheck(t, s, dir)
	edit(t, dir, func(tx *bbolt.Tx) { // as if document 7 had been purged a moment before the process ended
		key := documentKey(7)
		tx.Bucket([]byte("tombstones")).Put(key, tombstonesBucket.seal(key, tombstone{}.encode()))
		tx.Bucket([]byte("wipes")).Put(key, wipesBucket.seal(key, wipe{every: 1}.encode()))
		tx.Bucket([]byte("filler")).Put(make([]byte, 8), fillerBucket.seal(make([]byte, 8), make([]byte, 100)))
	})
	edit(t, dir, func(tx *bbolt.Tx) { // as if the process had ended before the last covered change was deleted
		key := documentKey(5)
		tx.Bucket([]byte("snapshot-trims")).Put(key, snapshotTrimsBucket.seal(key, nil))
		key = appendU64(key, 19)
		c := changes(doc("acme", 5), 19, 1)[0]
		tx.Bucket([]byte("changes")).Put(key, changesBucket.seal(key, append(c.Hash[:], c.Bytes...)))
	})
	checkClean(t, dir)
	return dir
}

// documentKey is the key of a document of the first company.
func documentKey(n byte) []byte {
	d := doc("acme", n)
	return append(appendU32(nil, 1), d.Document[:]...)
}

// use reads and writes everything once. It must not panic; whatever error it meets has to be a known one.
func use(t testing.TB, dir string) (met []error) {
	t.Helper()
	note := func(err error) {
		if err == nil {
			return
		}
		if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) {
			t.Errorf("unexpected error: %v", err)
		}
		met = append(met, err)
	}
	s, err := Open(dir, Options{Now: func() time.Time { return testTime }})
	note(err)
	if err != nil {
		return met
	}
	for n := range byte(6) {
		d := doc("acme", n)
		_, _, err := s.Document(d)
		note(err)
		first := uint64(0)
		note(s.ViewSnapshot(d, func(v Snapshot) error { first = v.Changes; return nil }))
		err = s.Changes(d, first, math.MaxUint64, func(uint64, Change) error { return nil })
		if !errors.Is(err, ErrInSnapshot) {
			note(err)
		}
		note(s.Attributions(d, 0, math.MaxUint64, func(Run) error { return nil }))
		if _, err = s.Change(d, 17); !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrInSnapshot) {
			note(err)
		}
	}
	_, _, err = s.SyncState(SyncKey{"acme", "alice", "phone", doc("", 1).Document})
	note(err)
	_, err = s.Rejections("acme", 10, 0)
	note(err)
	_, err = s.Revocations()
	note(err)
	useLists(s, note)
	for n := byte(6); n < 8; n++ {
		_, _, err := s.Tombstone(doc("acme", n))
		note(err)
		if err = s.AwaitWipe(context.Background(), doc("acme", n)); !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrFailed) {
			note(err)
		}
	}
	note(s.Tombstones("acme", id.DocumentID{}, func(id.DocumentID, Tombstone) error { return nil }))
	submit := func(call func(done func(error)) error) {
		if err := wait(t, call); !errors.Is(err, ErrGap) && !errors.Is(err, ErrNotFound) {
			note(err)
		}
	}
	submit(func(done func(error)) error {
		return s.Append(context.Background(), appendOf(doc("acme", 3), 30, 1), done)
	})
	submit(func(done func(error)) error {
		return s.PutRejection(context.Background(), Rejection{Company: "acme", User: "alice", Reason: "seq-gap", Last: testTime}, done)
	})
	submit(func(done func(error)) error {
		r := Revocation{Company: "acme", Kind: RevokeToken, ID: "jti", At: testTime, Until: testTime.Add(time.Hour)}
		return s.PutRevocation(context.Background(), r, done)
	})
	submit(func(done func(error)) error {
		return s.Put(context.Background(), "acme", oneOfEach(5), []AuditEntry{auditEntry("backup")}, done)
	})
	if err := s.Close(); err != nil && !errors.Is(err, ErrFailed) {
		t.Errorf("close: %v", err)
	}
	return met
}

// useLists reads everything that comes in lists.
func useLists(s *Store, note func(error)) {
	_, err := s.Companies()
	note(err)
	list := func(d DocumentInfo) error {
		note(d.Damaged)
		return nil
	}
	note(s.Documents("acme", id.DocumentID{}, list))
	for _, user := range []string{"user0", "user10", "user20"} {
		note(s.DocumentsOf("acme", user, id.DocumentID{}, list))
	}
	note(s.Audit("acme", 0, func(AuditEntry) error { return nil }))
	for _, r := range stored(oneOfEach(5)) {
		_, _, err := s.Get("acme", r.Table, r.Key)
		note(err)
		note(s.Scan("acme", r.Table, Range{}, func(_, _ []byte) error { return nil }))
	}
}

func faults(t testing.TB, dir string) Report {
	t.Helper()
	r, err := Check(t.Context(), dir, CheckOptions{NewDocument: newChain})
	if err != nil && !errors.Is(err, ErrVersion) {
		t.Errorf("check: %v", err)
	}
	for _, f := range r.Faults {
		if f.Problem == "" || f.Advice == "" {
			t.Errorf("fault says too little: %+v", f)
		}
	}
	return r
}

// TestDamagedRecord flips one bit of a record of each bucket.
func TestDamagedRecord(t *testing.T) {
	dir := fill(t)
	sound, err := os.ReadFile(dbPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, def := range allBuckets {
		t.Run(def.name, func(t *testing.T) {
			if err := os.WriteFile(dbPath(dir), sound, 0o600); err != nil {
				t.Fatal(err)
			}
			var key, value []byte
			edit(t, dir, func(tx *bbolt.Tx) {
				c := tx.Bucket([]byte(def.name)).Cursor()
				key, value = c.Last()
				key, value = bytes.Clone(key), bytes.Clone(value)
			})
			for _, at := range []int{0, len(value) / 2, len(value) - 1} {
				if err := os.WriteFile(dbPath(dir), sound, 0o600); err != nil {
					t.Fatal(err)
				}
				edit(t, dir, func(tx *bbolt.Tx) {
					bad := bytes.Clone(value)
					bad[at] ^= 0x10
					tx.Bucket([]byte(def.name)).Put(key, bad)
				})
				named := false
				for _, f := range faults(t, dir).Faults {
					named = named || f.Bucket == def.name && f.Key == fmt.Sprintf("%x", key)
				}
				if !named {
					t.Errorf("byte %d: check names no fault with that key", at)
				}
				if met := use(t, dir); len(met) == 0 && !unread[def.name] {
					t.Errorf("byte %d: reads and writes met no error", at)
				}
			}
		})
	}
	os.WriteFile(dbPath(dir), sound, 0o600)
	checkClean(t, dir)
}

// unread names the buckets whose last record the calls in use don't look up, or not its payload.
var unread = map[string]bool{"labels": true, "editors": true, "fingerprints": true, "filler": true}

// TestMissingRecord deletes one record of each bucket, whose absence no checksum tells.
func TestMissingRecord(t *testing.T) {
	dir := fill(t)
	sound, err := os.ReadFile(dbPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, def := range allBuckets {
		if def == syncStatesBucket || def.table || def == fingerprintsBucket || def == fillerBucket {
			continue // nothing refers to them
		}
		t.Run(def.name, func(t *testing.T) {
			if err := os.WriteFile(dbPath(dir), sound, 0o600); err != nil {
				t.Fatal(err)
			}
			edit(t, dir, func(tx *bbolt.Tx) {
				b := tx.Bucket([]byte(def.name))
				k, _ := b.Cursor().Last()
				b.Delete(k)
			})
			if faults(t, dir).OK() {
				t.Error("check finds no fault")
			}
			use(t, dir)
		})
	}
}

// TestMovedRecord puts a sound change in another's place: its checksum covers the key and the bucket.
func TestMovedRecord(t *testing.T) {
	dir := fill(t)
	d := doc("acme", 3)
	key := append(appendU32(nil, 1), d.Document[:]...)
	edit(t, dir, func(tx *bbolt.Tx) {
		b := tx.Bucket([]byte("changes"))
		b.Put(appendU64(bytes.Clone(key), 5), bytes.Clone(b.Get(appendU64(bytes.Clone(key), 4))))
	})
	s := open(t, dir, Options{})
	if _, err := s.Change(d, 5); !errors.Is(err, ErrCorrupt) {
		t.Errorf("moved change: %v, want ErrCorrupt", err)
	}
	if _, err := s.Change(d, 4); err != nil {
		t.Errorf("its neighbour: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	r := faults(t, dir)
	if r.Count != 1 || r.Faults[0].Document != d.Document.String() || r.Faults[0].Company != "acme" {
		t.Errorf("check: %v, want one fault of the document", r.Faults)
	}
	payload := []byte("payload")
	if _, err := changesBucket.unseal(key, documentsBucket.seal(key, payload)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("record from another bucket: %v, want ErrCorrupt", err)
	}
}

// TestForgedRecord writes records with right checksums that contradict the others.
func TestForgedRecord(t *testing.T) {
	dir := fill(t)
	sound, err := os.ReadFile(dbPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	d := doc("acme", 3)
	key := append(appendU32(nil, 1), d.Document[:]...)
	put := func(tx *bbolt.Tx, def *bucket, key, payload []byte) {
		tx.Bucket([]byte(def.name)).Put(key, def.seal(key, bytes.Clone(payload)))
	}
	get := func(tx *bbolt.Tx, def *bucket, key []byte) []byte {
		v, _, _ := reader{tx: tx}.get(def, key)
		return bytes.Clone(v)
	}
	at := func(i uint64) []byte { return appendU64(bytes.Clone(key), i) }
	for name, forge := range map[string]func(tx *bbolt.Tx){
		"moved change": func(tx *bbolt.Tx) {
			v := bytes.Clone(tx.Bucket([]byte("changes")).Get(at(4)))
			tx.Bucket([]byte("changes")).Put(at(5), v)
		},
		"other content": func(tx *bbolt.Tx) {
			v := get(tx, changesBucket, at(4))
			v[len(v)-1]++
			put(tx, changesBucket, at(4), v)
		},
		"change without document": func(tx *bbolt.Tx) {
			other := appendU64(append(appendU32(nil, 1), bytes.Repeat([]byte{0xee}, 16)...), 0)
			put(tx, changesBucket, other, get(tx, changesBucket, at(4)))
		},
		"gap":            func(tx *bbolt.Tx) { tx.Bucket([]byte("changes")).Delete(at(4)) },
		"one too many":   func(tx *bbolt.Tx) { put(tx, changesBucket, at(30), get(tx, changesBucket, at(4))) },
		"run left out":   func(tx *bbolt.Tx) { tx.Bucket([]byte("attributions")).Delete(at(10)) },
		"last run moved": func(tx *bbolt.Tx) { forgeDocument(tx, key, func(d *document) { d.lastRun = 10 }) },
		"bytes":          func(tx *bbolt.Tx) { forgeDocument(tx, key, func(d *document) { d.bytes++ }) },
		"count":          func(tx *bbolt.Tx) { forgeDocument(tx, key, func(d *document) { d.changes++ }) },
		"unknown head": func(tx *bbolt.Tx) {
			forgeDocument(tx, key, func(d *document) { d.heads[0]++ })
		},
		"old head": func(tx *bbolt.Tx) {
			forgeDocument(tx, key, func(d *document) { copy(d.heads, get(tx, changesBucket, at(4))[:hashSize]) })
		},
		"unknown user": func(tx *bbolt.Tx) {
			v := get(tx, attributionsBucket, at(10))
			copy(v, appendU32(nil, 999))
			put(tx, attributionsBucket, at(10), v)
		},
		"snapshot of more": func(tx *bbolt.Tx) {
			forgeSnapshot(tx, func(r *snapshotRecord) { r.changes++ })
		},
		"snapshot of less": func(tx *bbolt.Tx) {
			forgeSnapshot(tx, func(r *snapshotRecord) { r.changes-- })
		},
		"snapshot of other bytes": func(tx *bbolt.Tx) {
			forgeSnapshot(tx, func(r *snapshotRecord) { r.bytes++ })
		},
		"longer snapshot": func(tx *bbolt.Tx) {
			forgeSnapshot(tx, func(r *snapshotRecord) { r.chunk++ })
		},
		"huge snapshot": func(tx *bbolt.Tx) {
			forgeSnapshot(tx, func(r *snapshotRecord) { r.graph = math.MaxUint64 })
		},
		"another chunk": func(tx *bbolt.Tx) {
			k := appendPartKey(nil, generationKey(documentKey(5), 1), chunkPart, 0)
			v := get(tx, snapshotPartsBucket, k)
			v[len(v)-1]++
			put(tx, snapshotPartsBucket, k, v)
		},
		"another graph": func(tx *bbolt.Tx) {
			k := appendPartKey(nil, generationKey(documentKey(5), 1), graphPart, 0)
			v := get(tx, snapshotPartsBucket, k)
			v[0]++
			put(tx, snapshotPartsBucket, k, v)
		},
		"part too many": func(tx *bbolt.Tx) {
			put(tx, snapshotPartsBucket, appendPartKey(nil, generationKey(documentKey(5), 1), graphPart, 1), []byte{1})
		},
		"part of no kind": func(tx *bbolt.Tx) {
			put(tx, snapshotPartsBucket, appendPartKey(nil, generationKey(documentKey(5), 1), 'x', 0), []byte{1})
		},
		"another generation": func(tx *bbolt.Tx) {
			forgeSnapshot(tx, func(r *snapshotRecord) { r.generation++ })
		},
		"part without snapshot": func(tx *bbolt.Tx) {
			put(tx, snapshotPartsBucket, appendPartKey(nil, generationKey(documentKey(2), 1), graphPart, 0), []byte{1})
		},
		"part without document": func(tx *bbolt.Tx) {
			put(tx, snapshotPartsBucket, appendPartKey(nil, generationKey(documentKey(9), 1), graphPart, 0), []byte{1})
		},
		"trim without snapshot": func(tx *bbolt.Tx) { put(tx, snapshotTrimsBucket, documentKey(2), nil) },
		"trim without document": func(tx *bbolt.Tx) { put(tx, snapshotTrimsBucket, documentKey(9), nil) },
		"covered change": func(tx *bbolt.Tx) {
			tx.Bucket([]byte("snapshot-trims")).Delete(documentKey(5))
		},
		"tail begins late": func(tx *bbolt.Tx) {
			tx.Bucket([]byte("changes")).Delete(appendU64(documentKey(5), 20))
		},
		"editor of another document": func(tx *bbolt.Tx) { put(tx, editorsBucket, editorKey(documentKey(9), 1), nil) },
		"editor who was none": func(tx *bbolt.Tx) {
			label, _, _ := reader{tx: tx}.number(labelsBucket, append(appendU32(nil, 1), "phone"...))
			put(tx, editorsBucket, editorKey(key, label), nil)
		},
		"editor left out": func(tx *bbolt.Tx) { tx.Bucket([]byte("editors")).Delete(editorKey(key, 1)) },
		"record without document": func(tx *bbolt.Tx) {
			put(tx, conflictsBucket, append(documentKey(9), make([]byte, 16)...), nil)
		},
		"reference to no document": func(tx *bbolt.Tx) {
			put(tx, referencesBucket, append(appendU32(nil, 1), "a\x00b"...), documentKey(9)[companySize:])
		},
		"reference to nothing": func(tx *bbolt.Tx) {
			put(tx, referencesBucket, append(appendU32(nil, 1), "a\x00b"...), []byte("document"))
		},
		"short key": func(tx *bbolt.Tx) { put(tx, conflictsBucket, documentKey(3)[:12], nil) },
		"table of another company": func(tx *bbolt.Tx) {
			put(tx, conflictsBucket, append(appendU32(nil, 9), key[companySize:]...), nil)
		},
		"audit entry changed": func(tx *bbolt.Tx) {
			v := get(tx, auditBucket, auditKey(1))
			v[hashSize]++
			put(tx, auditBucket, auditKey(1), v)
		},
		"last audit entry changed": func(tx *bbolt.Tx) {
			v := get(tx, auditBucket, auditKey(2))
			v[hashSize]++
			put(tx, auditBucket, auditKey(2), v)
		},
		"first audit entry of another company": func(tx *bbolt.Tx) {
			v, other := get(tx, auditBucket, auditKey(1)), auditStart("globex").hash
			copy(v, other[:])
			put(tx, auditBucket, auditKey(1), v)
		},
		"audit entries in another order": func(tx *bbolt.Tx) {
			first, second := get(tx, auditBucket, auditKey(1)), get(tx, auditBucket, auditKey(2))
			put(tx, auditBucket, auditKey(1), append(first[:hashSize:hashSize], second[hashSize:]...))
			put(tx, auditBucket, auditKey(2), append(second[:hashSize:hashSize], first[hashSize:]...))
		},
		"audit entry removed":       func(tx *bbolt.Tx) { tx.Bucket([]byte("audit")).Delete(auditKey(1)) },
		"last audit entry removed":  func(tx *bbolt.Tx) { tx.Bucket([]byte("audit")).Delete(auditKey(2)) },
		"audit entry added":         func(tx *bbolt.Tx) { put(tx, auditBucket, auditKey(3), get(tx, auditBucket, auditKey(2))) },
		"audit entry of number 0":   func(tx *bbolt.Tx) { put(tx, auditBucket, auditKey(0), get(tx, auditBucket, auditKey(2))) },
		"all audit entries removed": func(tx *bbolt.Tx) { tx.DeleteBucket([]byte("audit")); tx.CreateBucket([]byte("audit")) },
		"audit head removed":        func(tx *bbolt.Tx) { tx.Bucket([]byte("audit-heads")).Delete(auditKey(0)[:companySize]) },
		"audit head moved back": func(tx *bbolt.Tx) {
			put(tx, auditHeadsBucket, auditKey(0)[:companySize], auditHead{1, auditHash(1, get(tx, auditBucket, auditKey(1)))}.encode())
		},
		"unknown company": func(tx *bbolt.Tx) {
			put(tx, syncStatesBucket, append(appendU32(nil, 9), make([]byte, 32)...), []byte("state"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(dbPath(dir), sound, 0o600); err != nil {
				t.Fatal(err)
			}
			edit(t, dir, forge)
			if faults(t, dir).OK() {
				t.Error("check finds no fault")
			}
			use(t, dir)
		})
	}
}

// auditKey is the key of an audit entry of the first company.
func auditKey(seq uint64) []byte { return appendU64(appendU32(nil, 1), seq) }

func forgeSnapshot(tx *bbolt.Tx, change func(*snapshotRecord)) {
	key := documentKey(5)
	r, _ := reader{tx: tx}.snapshot(key)
	change(&r)
	tx.Bucket([]byte("snapshots")).Put(key, snapshotsBucket.seal(key, r.encode()))
}

func forgeDocument(tx *bbolt.Tx, key []byte, change func(*document)) {
	v, _, _ := reader{tx: tx}.get(documentsBucket, key)
	d, _ := decodeDocument(bytes.Clone(v))
	change(&d)
	tx.Bucket([]byte("documents")).Put(key, documentsBucket.seal(key, d.encode(splitHashes(d.heads))))
}

// TestDamagedPages flips bits and cuts the file at random places, page headers and pointers of bbolt included.
func TestDamagedPages(t *testing.T) {
	rng := newRand(t, 20)
	dir := fill(t)
	var files [2][]byte // with a list of free pages, and as servers leave it
	var want [2]map[string]string
	for i := range files {
		if i == 1 {
			asServed(t, dir)
		}
		b, err := os.ReadFile(dbPath(dir))
		if err != nil {
			t.Fatal(err)
		}
		files[i], want[i] = trimZeros(b), dump(t, dir)
	}
	for round := range 120 {
		kind := rng.IntN(2)
		sound := files[kind]
		bad, what := damagedCopy(rng, sound, round%4)
		if bytes.Equal(bad, sound) {
			continue
		}
		if err := os.WriteFile(dbPath(dir), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if faults(t, dir).OK() && !cmp.Equal(dump(t, dir), want[kind]) {
			t.Errorf("round %d, %s: check finds no fault, and records differ", round, what)
		}
		use(t, dir)
	}
}

// damagedCopy damages a file in one of four ways, and says where.
func damagedCopy(rng *rand.Rand, sound []byte, way int) (bad []byte, what string) {
	bad = bytes.Clone(sound)
	switch page := rng.IntN(len(bad) / 4096); way {
	case 0: // anywhere
		i := rng.IntN(len(bad))
		bad[i] ^= 1 << rng.IntN(8)
		what = fmt.Sprint("byte ", i)
	case 1: // page header and first elements
		i := page*4096 + rng.IntN(64)
		bad[i] = byte(rng.IntN(256))
		what = fmt.Sprint("head ", i)
	case 2: // one page in another's place
		other := rng.IntN(len(bad) / 4096)
		copy(bad[page*4096:][:4096], sound[other*4096:])
		what = fmt.Sprint("page ", page, " from ", other)
	case 3:
		bad = bad[:rng.IntN(len(bad))]
		what = fmt.Sprint("cut at ", len(bad))
	}
	return bad, what
}

// TestPageCycle makes a page its own child, over which bbolt would recurse until the process dies.
func TestPageCycle(t *testing.T) {
	dir := fill(t)
	var root int
	edit(t, dir, func(tx *bbolt.Tx) { root = int(tx.Bucket([]byte("changes")).Root()) })
	bad, err := os.ReadFile(dbPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	native.PutUint64(bad[root*os.Getpagesize()+pageHeader+8:], uint64(root))
	refused(t, dir, "cycle", bad)
	if r := faults(t, dir); r.OK() || r.Faults[0].Bucket != "changes" {
		t.Errorf("check: %v, want a fault in changes", r.Faults)
	}
}

// TestDamagedMeta damages each meta page in turn; the file still opens with the other.
func TestDamagedMeta(t *testing.T) {
	for page := range 2 {
		dir := fill(t)
		b, err := os.ReadFile(dbPath(dir))
		if err != nil {
			t.Fatal(err)
		}
		b[page*os.Getpagesize()+pageHeader+20] ^= 1
		if err := os.WriteFile(dbPath(dir), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if r := faults(t, dir); r.Count != 1 || r.Records == 0 {
			t.Errorf("meta page %d: %+v, want one fault and all records checked", page, r)
		}
		use(t, dir)
	}
}

// dump reads all records as bbolt sees them.
func dump(t testing.TB, dir string) map[string]string {
	t.Helper()
	db, err := bbolt.Open(dbPath(dir), 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	records := make(map[string]string)
	db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			return b.ForEach(func(k, v []byte) error {
				records[string(name)+"/"+string(k)] = string(v)
				return nil
			})
		})
	})
	return records
}

// trimZeros takes off what bbolt has reserved at the end of the file.
func trimZeros(b []byte) []byte {
	n := len(bytes.TrimRight(b, "\x00"))
	return b[:(n+4095)/4096*4096]
}
