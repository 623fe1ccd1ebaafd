package store

import (
	"bytes"
	"crypto/sha256"

	"go.etcd.io/bbolt"
)

// place is a cursor with the record that it stands on.
type place struct {
	c      *bbolt.Cursor
	key, v []byte
}

func (k *recordChecker) start(def *bucket) *place {
	p := new(place)
	if bk := k.tx.Bucket([]byte(def.name)); bk != nil { // a file of an older format lacks some
		p.c = bk.Cursor()
		p.key, p.v = p.c.First()
	}
	return p
}

func (p *place) next() { p.key, p.v = p.c.Next() }

// documents walks documents, snapshots, changes and attributions side by side, which are all in the order of company
// and document.
func (k *recordChecker) documents() error {
	docs, changes, runs := k.start(documentsBucket), k.start(changesBucket), k.start(attributionsBucket)
	snapshots := k.startSnapshots()
	for ; docs.key != nil; docs.next() {
		if err := k.step(); err != nil {
			return err
		}
		if err := k.orphans(changes, changesBucket, docs.key); err != nil {
			return err
		}
		if err := k.orphans(runs, attributionsBucket, docs.key); err != nil {
			return err
		}
		if err := snapshots.orphans(k, docs.key); err != nil {
			return err
		}
		if err := k.document(docs, snapshots, changes, runs); err != nil {
			return err
		}
	}
	if err := snapshots.orphans(k, nil); err != nil {
		return err
	}
	if err := k.orphans(changes, changesBucket, nil); err != nil {
		return err
	}
	return k.orphans(runs, attributionsBucket, nil)
}

// orphans reports the records of a bucket that come before a document and so belong to none.
func (k *recordChecker) orphans(p *place, def *bucket, before []byte) error {
	for ; p.key != nil; p.next() {
		if before != nil && (bytes.HasPrefix(p.key, before) || bytes.Compare(p.key, before) > 0) {
			return nil
		}
		if !k.deleting(p.key) {
			k.fault(def, p.key, adviceRestore, "record belongs to no document")
		}
		if err := k.step(); err != nil {
			return err
		}
	}
	return nil
}

func (k *recordChecker) document(docs *place, snapshots snapshotPlaces, changes, runs *place) error {
	key := docs.key
	var doc document
	payload, ok := k.unsealed(documentsBucket, key, docs.v)
	if ok {
		if doc, ok = decodeDocument(payload); !ok || len(key) != documentKeySize {
			k.fault(documentsBucket, key, adviceReport, "record is malformed")
			ok = false
		}
	}
	k.report.Documents++
	if len(key) >= companySize {
		k.companyKnown(documentsBucket, key)
	}
	var verifier DocumentVerifier
	if k.o.NewDocument != nil {
		verifier = k.o.NewDocument()
	}
	c, err := k.documentSnapshot(key, snapshots, verifier)
	if err != nil {
		return err
	}
	found, err := k.documentChanges(key, doc, ok, c, verifier, changes)
	if err != nil {
		return err
	}
	return k.documentRuns(key, doc, ok, found, runs)
}

// documentChanges checks the changes of one document that follow its snapshot and returns how many changes there
// should be in all.
func (k *recordChecker) documentChanges(
	key []byte, doc document, known bool, c covered, verifier DocumentVerifier, p *place,
) (uint64, error) {
	if err := k.leftovers(key, c, p); err != nil {
		return 0, err
	}
	want := make(map[Hash]bool)
	for _, h := range splitHashes(doc.heads) {
		want[h] = false
	}
	next, sum, sound := c.changes, c.bytes, known && c.sound
	k.report.Changes += c.changes
	for ; bytes.HasPrefix(p.key, key); p.next() {
		if err := k.step(); err != nil {
			return 0, err
		}
		if len(p.key) != indexedKeySize {
			k.fault(changesBucket, p.key, adviceReport, "key is malformed")
			continue
		}
		if i := u64(p.key[documentKeySize:]); i != next {
			k.fault(changesBucket, p.key, adviceRestore, "changes %d to %d of the document are missing", next, i-1)
			next, sound = i, false
		}
		next++
		k.report.Changes++
		change, ok := k.change(p)
		if !ok {
			sound = false
			continue
		}
		sum += uint64(len(change.Bytes))
		if _, isHead := want[change.Hash]; isHead {
			want[change.Hash] = true
		}
		if verifier != nil && sound {
			if err := verifier.Add(change.Hash, change.Bytes); err != nil {
				k.fault(changesBucket, p.key, adviceReport, "change doesn't continue the document: %v", err)
				sound = false
			}
		}
	}
	k.report.Bytes += sum
	if !known {
		return next, nil
	}
	if next != doc.changes {
		k.fault(documentsBucket, key, adviceRestore, "record counts %d changes, %d are stored", doc.changes, next)
		sound = false
	}
	if sound {
		k.checkHeads(key, doc, sum, want, verifier, c)
	}
	return doc.changes, nil
}

func (k *recordChecker) change(p *place) (Change, bool) {
	payload, ok := k.unsealed(changesBucket, p.key, p.v)
	if !ok {
		return Change{}, false
	}
	if len(payload) < hashSize || !plausible(payload[:hashSize], payload[hashSize:]) {
		k.fault(changesBucket, p.key, adviceReport, "record is malformed")
		return Change{}, false
	}
	c := Change{Hash: Hash(payload[:hashSize]), Bytes: payload[hashSize:]}
	if sha256.Sum256(c.Bytes[8:]) != c.Hash {
		k.fault(changesBucket, p.key, adviceReport, "chunk doesn't have the SHA-256 that it is stored under")
		return Change{}, false
	}
	return c, true
}

// checkHeads compares a sound document's record with what its changes gave.
func (k *recordChecker) checkHeads(key []byte, doc document, sum uint64, want map[Hash]bool, verifier DocumentVerifier, c covered) {
	if sum != doc.bytes {
		k.fault(documentsBucket, key, adviceReport, "record counts %d bytes of changes, %d are stored", doc.bytes, sum)
	}
	for h, found := range want {
		if !found && c.changes == 0 {
			k.fault(documentsBucket, key, adviceReport, "head %x is no change of the document", h)
		}
	}
	if verifier == nil {
		return
	}
	heads := verifier.Heads()
	same := len(heads) == len(want)
	for _, h := range heads {
		_, ok := want[h]
		same = same && ok
	}
	if !same {
		k.fault(documentsBucket, key, adviceReport, "stored heads aren't those of the changes: %d stored, %d computed",
			len(want), len(heads))
	}
}

// documentRuns checks that the attributions of one document cover its changes without gap or overlap.
func (k *recordChecker) documentRuns(key []byte, doc document, known bool, changes uint64, p *place) error {
	next, last, sound := uint64(0), uint64(0), true
	users := make(map[uint32]bool)
	for ; bytes.HasPrefix(p.key, key); p.next() {
		if err := k.step(); err != nil {
			return err
		}
		run, ok := k.run(p)
		if !ok {
			sound, k.unsure = false, true
			continue
		}
		if run.first != next && sound {
			k.fault(attributionsBucket, p.key, adviceRestore, "run begins at change %d, %d was expected", run.first, next)
		}
		last, next, sound = run.first, run.first+run.count(), true
		k.labelKnown(p.key, run.user)
		k.labelKnown(p.key, run.device)
		if !users[run.user] {
			users[run.user] = true
			k.author(p.key, run.user)
		}
	}
	if !sound {
		return nil
	}
	if next != changes {
		k.fault(attributionsBucket, key, adviceRestore, "runs cover %d changes of %d", next, changes)
	}
	if known && last != doc.lastRun {
		k.fault(documentsBucket, key, adviceReport, "record says that the last run begins at %d, it begins at %d", doc.lastRun, last)
	}
	return nil
}

func (k *recordChecker) run(p *place) (run, bool) {
	payload, ok := k.unsealed(attributionsBucket, p.key, p.v)
	if !ok {
		return run{}, false
	}
	r, err := decodeRun(p.key, payload)
	return r, !k.malformed(attributionsBucket, p.key, err != nil)
}

func (k *recordChecker) labelKnown(key []byte, label uint32) {
	if label != 0 {
		k.counterpart(attributionsBucket, key, labelTextsBucket, appendU32(bytes.Clone(key[:companySize]), label), nil)
	}
}
