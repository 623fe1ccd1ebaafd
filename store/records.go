package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"go.etcd.io/bbolt"

	"concord/internal/id"
)

// checkRecords verifies every record of every bucket.
func (c *checker) checkRecords(r reader) error {
	if err := checkFormat(r); err != nil {
		return err
	}
	k := &recordChecker{checker: c, reader: r}
	for _, def := range allBuckets {
		if r.tx.Bucket([]byte(def.name)) == nil {
			k.fault(def, nil, adviceRestore, "bucket is missing")
			return nil
		}
	}
	for _, pass := range []struct {
		def   *bucket
		check func(key, payload []byte)
	}{
		{metaBucket, func(_, _ []byte) {}},
		{companiesBucket, k.companyNumber},
		{companyNamesBucket, k.companyText},
		{labelsBucket, k.labelNumber},
		{labelTextsBucket, k.labelText},
		{syncStatesBucket, k.syncState},
		{rejectionsBucket, k.rejectionRecord},
		{rejectionIndexBucket, k.rejectionIndex},
		{revocationsBucket, k.revocation},
		{revocationExpiryBucket, k.revocationExpiry},
	} {
		if err := k.each(pass.def, pass.check); err != nil {
			return err
		}
	}
	k.storageID()
	return k.documents()
}

type recordChecker struct {
	*checker
	reader
}

// fault adds whose document a key belongs to.
func (k *recordChecker) fault(def *bucket, key []byte, advice, format string, args ...any) {
	f := Fault{Bucket: def.name, Key: hex.EncodeToString(key), Problem: fmt.Sprintf(format, args...), Advice: advice}
	switch def {
	case documentsBucket, changesBucket, attributionsBucket, syncStatesBucket:
		if len(key) >= documentKeySize {
			f.Company, _ = k.companyName(u32(key))
			f.Document = id.DocumentID(key[companySize:documentKeySize]).String()
		}
	}
	k.add(f)
}

// each calls check for the records of a bucket whose checksums hold.
func (k *recordChecker) each(def *bucket, check func(key, payload []byte)) error {
	return k.tx.Bucket([]byte(def.name)).ForEach(func(key, value []byte) error {
		if payload, ok := k.unsealed(def, key, value); ok {
			check(key, payload)
		}
		return k.step()
	})
}

func (k *recordChecker) unsealed(def *bucket, key, value []byte) ([]byte, bool) {
	payload, err := def.unseal(key, value)
	if err != nil {
		advice := adviceRestore
		if def == syncStatesBucket {
			advice = adviceClient
		}
		k.fault(def, key, advice, "record checksum doesn't match")
	}
	return payload, err == nil
}

func (k *recordChecker) storageID() {
	if v := k.tx.Bucket([]byte(metaBucket.name)).Get(storageIDKey); len(v) != 36+crcSize {
		k.fault(metaBucket, storageIDKey, adviceRestore, "storage ID is missing or malformed")
	}
}

// counterpart checks that other holds key with the payload want. A damaged counterpart is a fault of its own.
func (k *recordChecker) counterpart(def *bucket, key []byte, other *bucket, otherKey, want []byte) {
	v := k.tx.Bucket([]byte(other.name)).Get(otherKey)
	if v == nil {
		k.fault(def, key, adviceRestore, "bucket %s lacks the record %x that belongs to it", other.name, otherKey)
		return
	}
	if payload, err := other.unseal(otherKey, v); err == nil && want != nil && !bytes.Equal(payload, want) {
		k.fault(def, key, adviceRestore, "bucket %s says otherwise in record %x", other.name, otherKey)
	}
}

func (k *recordChecker) malformed(def *bucket, key []byte, bad bool) bool {
	if bad {
		k.fault(def, key, adviceReport, "record is malformed")
	}
	return bad
}

func (k *recordChecker) companyNumber(key, payload []byte) {
	if !k.malformed(companiesBucket, key, len(payload) != 4) {
		k.counterpart(companiesBucket, key, companyNamesBucket, payload, key)
	}
}

func (k *recordChecker) companyText(key, payload []byte) {
	if !k.malformed(companyNamesBucket, key, len(key) != 4 || len(payload) == 0) {
		k.counterpart(companyNamesBucket, key, companiesBucket, payload, key)
	}
}

func (k *recordChecker) labelNumber(key, payload []byte) {
	if k.malformed(labelsBucket, key, len(key) <= companySize || len(payload) != 4) {
		return
	}
	k.counterpart(labelsBucket, key, labelTextsBucket, join(key[:companySize], payload), key[companySize:])
	k.companyKnown(labelsBucket, key)
}

func (k *recordChecker) labelText(key, payload []byte) {
	if k.malformed(labelTextsBucket, key, len(key) != companySize+4 || len(payload) == 0) {
		return
	}
	k.counterpart(labelTextsBucket, key, labelsBucket, join(key[:companySize], payload), key[companySize:])
}

func (k *recordChecker) companyKnown(def *bucket, key []byte) {
	k.counterpart(def, key, companyNamesBucket, key[:companySize], nil)
}

func join(a, b []byte) []byte { return append(bytes.Clone(a), b...) }

func (k *recordChecker) syncState(key, payload []byte) {
	if !k.malformed(syncStatesBucket, key, len(key) != documentKeySize+clientSize || len(payload) == 0) {
		k.companyKnown(syncStatesBucket, key)
	}
}

func (k *recordChecker) rejectionRecord(key, payload []byte) {
	rej, err := decodeRejection(key, payload)
	if k.malformed(rejectionsBucket, key, err != nil) {
		return
	}
	k.companyKnown(rejectionsBucket, key)
	k.counterpart(rejectionsBucket, key, rejectionIndexBucket, rej.indexKey(u32(key)), key[companySize:])
}

func (k *recordChecker) rejectionIndex(key, payload []byte) {
	if k.malformed(rejectionIndexBucket, key, len(key) <= documentKeySize+hashSize || len(payload) != 8) {
		return
	}
	k.counterpart(rejectionIndexBucket, key, rejectionsBucket, join(key[:companySize], payload), nil)
}

func (k *recordChecker) revocation(key, payload []byte) {
	rev, _, err := decodeRevocation(key, revocationsBucket.seal(key, bytes.Clone(payload)))
	if k.malformed(revocationsBucket, key, err != nil) {
		return
	}
	k.companyKnown(revocationsBucket, key)
	if until := rev.until(); until != 0 {
		k.counterpart(revocationsBucket, key, revocationExpiryBucket, expiryKey(until, key), nil)
	}
}

func (k *recordChecker) revocationExpiry(key, payload []byte) {
	if k.malformed(revocationExpiryBucket, key, len(key) <= 8+revocationHeader || len(payload) != 0) {
		return
	}
	k.counterpart(revocationExpiryBucket, key, revocationsBucket, key[8:], nil)
}

// place is a cursor with the record that it stands on.
type place struct {
	c      *bbolt.Cursor
	key, v []byte
}

func (k *recordChecker) start(def *bucket) *place {
	p := &place{c: k.tx.Bucket([]byte(def.name)).Cursor()}
	p.key, p.v = p.c.First()
	return p
}

func (p *place) next() { p.key, p.v = p.c.Next() }

// documents walks documents, changes and attributions side by side, which are all in the order of company and
// document.
func (k *recordChecker) documents() error {
	docs, changes, runs := k.start(documentsBucket), k.start(changesBucket), k.start(attributionsBucket)
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
		if err := k.document(docs, changes, runs); err != nil {
			return err
		}
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
		k.fault(def, p.key, adviceRestore, "record belongs to no document")
		if err := k.step(); err != nil {
			return err
		}
	}
	return nil
}

func (k *recordChecker) document(docs, changes, runs *place) error {
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
	found, err := k.documentChanges(key, doc, ok, changes)
	if err != nil {
		return err
	}
	return k.documentRuns(key, doc, ok, found, runs)
}

// documentChanges checks the changes of one document and returns how many there should be.
func (k *recordChecker) documentChanges(key []byte, doc document, known bool, p *place) (uint64, error) {
	var verifier DocumentVerifier
	if k.o.NewDocument != nil {
		verifier = k.o.NewDocument()
	}
	want := make(map[Hash]bool)
	for _, h := range splitHashes(doc.heads) {
		want[h] = false
	}
	next, sum, sound := uint64(0), uint64(0), known
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
		k.checkHeads(key, doc, sum, want, verifier)
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
func (k *recordChecker) checkHeads(key []byte, doc document, sum uint64, want map[Hash]bool, verifier DocumentVerifier) {
	if sum != doc.bytes {
		k.fault(documentsBucket, key, adviceReport, "record counts %d bytes of changes, %d are stored", doc.bytes, sum)
	}
	for h, found := range want {
		if !found {
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
	for ; bytes.HasPrefix(p.key, key); p.next() {
		if err := k.step(); err != nil {
			return err
		}
		payload, ok := k.unsealed(attributionsBucket, p.key, p.v)
		if !ok {
			sound = false
			continue
		}
		run, err := decodeRun(p.key, payload)
		if k.malformed(attributionsBucket, p.key, err != nil) {
			sound = false
			continue
		}
		if run.first != next && sound {
			k.fault(attributionsBucket, p.key, adviceRestore, "run begins at change %d, %d was expected", run.first, next)
		}
		last, next, sound = run.first, run.first+run.count(), true
		k.labelKnown(p.key, run.user)
		k.labelKnown(p.key, run.device)
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

func (k *recordChecker) labelKnown(key []byte, label uint32) {
	if label != 0 {
		k.counterpart(attributionsBucket, key, labelTextsBucket, appendU32(bytes.Clone(key[:companySize]), label), nil)
	}
}
