package store

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"

	"concord/internal/id"
)

// checkRecords verifies every record of every bucket.
func (c *checker) checkRecords(r reader) error {
	version, err := r.format()
	if err != nil {
		return err
	}
	k := &recordChecker{checker: c, reader: r, version: version, names: make(map[uint32]string)}
	for _, def := range allBuckets {
		if def.since <= version && r.tx.Bucket([]byte(def.name)) == nil {
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
	if err := k.documents(); err != nil || version < 3 {
		return err
	}
	if version >= 4 {
		if err := k.counters(); err != nil {
			return err
		}
	}
	return errors.Join(k.editors(), k.tables(), k.audit(), k.purges())
}

type recordChecker struct {
	*checker
	reader
	version uint32
	names   map[uint32]string // of companies

	authors uint64 // pairs of a document and a user in the attributions
	unsure  bool   // there may be more, in damaged records
}

// fault adds whose document a key belongs to.
func (k *recordChecker) fault(def *bucket, key []byte, advice, format string, args ...any) {
	f := Fault{Bucket: def.name, Key: hex.EncodeToString(key), Problem: fmt.Sprintf(format, args...), Advice: advice}
	if def.documents && len(key) >= documentKeySize {
		f.Company, _ = k.companyName(u32(key))
		f.Document = id.DocumentID(key[companySize:documentKeySize]).String()
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
