package store

import (
	"bytes"
	"context"
	"fmt"

	"go.etcd.io/bbolt"

	"concord/internal/id"
)

// unstaging copies from a staged file what is to be in the restored one.
type unstaging struct {
	reader // of the staged file
	steps  // into the restored one
	ctx    context.Context
	o      RestoreOptions
	latest stagedState
}

// stagedState is what a staged file says of a document.
type stagedState struct {
	key    []byte
	purged bool
	keep   bool // it is in the last backup, and wasn't purged
	snap   snapshotRecord
}

// unstage fills an empty file.
func unstage(ctx context.Context, from reader, to *bbolt.DB, o RestoreOptions) error {
	u := &unstaging{reader: from, steps: steps{db: to}, ctx: ctx, o: o}
	if err := u.begin(); err != nil {
		return err
	}
	defer u.rollback()
	if err := u.create(); err != nil {
		return err
	}
	if err := u.whole(); err != nil {
		return err
	}
	for _, def := range allBuckets {
		if err := u.bucketOf(def); err != nil {
			return err
		}
	}
	if !o.Until.IsZero() {
		if err := u.until(); err != nil {
			return err
		}
	}
	return u.steps.commit()
}

// whole checks that the backups hold what the last one says.
func (u *unstaging) whole() error {
	bk, err := u.reader.bucket(manifestBucket)
	if err != nil {
		return err
	}
	err = bk.ForEach(func(k, v []byte) error {
		count, err := manifestBucket.unseal(k, v)
		if err != nil {
			return err
		}
		st, err := u.state(k)
		if err != nil || st.purged {
			return err
		}
		if d, _, err := u.reader.document(k); err != nil || d.changes != u64(count) {
			return fmt.Errorf("document %s has %d changes, the manifest says %d: %w", id.DocumentID(k[companySize:]), d.changes, u64(count), ErrBackup)
		}
		return nil
	})
	if err != nil {
		return err
	}
	documents, err := u.reader.bucket(documentsBucket)
	if err != nil {
		return err
	}
	err = documents.ForEach(func(k, _ []byte) error {
		if st, err := u.state(k); err != nil || st.keep || st.purged {
			return err
		}
		return fmt.Errorf("document %s isn't in the manifest: %w", id.DocumentID(k[companySize:]), ErrBackup)
	})
	if err != nil || u.o.Company == "" {
		return err
	}
	return u.wanted()
}

// wanted refuses a restore of one company, or document, that isn't there.
func (u *unstaging) wanted() error {
	company, known, err := u.reader.company(u.o.Company)
	if err != nil {
		return err
	}
	if !known {
		return fmt.Errorf("company %q: %w", u.o.Company, ErrNotFound)
	}
	if u.o.Document == nil {
		return nil
	}
	st, err := u.state(join(appendU32(nil, company), u.o.Document[:]))
	if err != nil {
		return err
	}
	switch {
	case st.purged:
		return fmt.Errorf("document %s: %w", *u.o.Document, ErrPurged)
	case !st.keep:
		return fmt.Errorf("document %s of company %q: %w", *u.o.Document, u.o.Company, ErrNotFound)
	}
	return nil
}

// state returns what is known of a document; key begins with its key.
func (u *unstaging) state(key []byte) (stagedState, error) {
	if bytes.Equal(u.latest.key, key[:documentKeySize]) {
		return u.latest, nil
	}
	st := stagedState{key: bytes.Clone(key[:documentKeySize])}
	_, purged, err := u.reader.tombstone(st.key)
	if err != nil {
		return stagedState{}, err
	}
	_, listed, err := u.reader.get(manifestBucket, st.key)
	if err != nil {
		return stagedState{}, err
	}
	if st.snap, err = u.reader.snapshot(st.key); err != nil {
		return stagedState{}, err
	}
	st.purged, st.keep = purged, listed && !purged
	u.latest = st
	return st, nil
}

// bucketOf copies what is to be kept of a bucket.
func (u *unstaging) bucketOf(def *bucket) error {
	switch def {
	case metaBucket, syncStatesBucket, snapshotTrimsBucket, wipesBucket, fingerprintsBucket, fillerBucket:
		return nil
	case documentsBucket, changesBucket, attributionsBucket, snapshotsBucket, snapshotPartsBucket, editorsBucket:
		if !u.o.Until.IsZero() {
			return nil
		}
	}
	bk, err := u.reader.bucket(def)
	if err != nil {
		return err
	}
	return bk.ForEach(func(k, v []byte) error {
		keep, err := u.keeps(def, k, v)
		if err != nil || !keep {
			return err
		}
		if err := u.ctx.Err(); err != nil {
			return err
		}
		bk := u.writable(def)
		if bk == nil {
			return u.failed
		}
		bk.FillPercent = appendFill // all keys come in ascending order
		u.putSealed(def, k, v)
		return u.wrote(len(k) + len(v))
	})
}

// keeps tells whether a record is to be in the restored file.
func (u *unstaging) keeps(def *bucket, k, v []byte) (bool, error) {
	key := k
	switch {
	case def == editorsBucket:
		key = editedDocument(k)
	case def.table:
		payload, err := def.unseal(k, v)
		if err != nil {
			return false, err
		}
		doc, _ := def.owner(k[companySize:], payload)
		if doc == nil {
			return true, nil
		}
		key = join(k[:companySize], doc)
	case def == rejectionsBucket:
		payload, err := def.unseal(k, v)
		if err != nil {
			return false, err
		}
		key = join(k[:companySize], payload[rejectionHeader-hashSize-id.DocumentIDSize:rejectionHeader-hashSize])
	case def != rejectionIndexBucket && (!def.documents || def.lasting):
		return true, nil
	}
	st, err := u.state(key)
	if err != nil {
		return false, err
	}
	switch def {
	case rejectionsBucket, rejectionIndexBucket:
		return !st.purged, nil
	case changesBucket:
		return st.keep && u64(k[documentKeySize:]) >= st.snap.changes, nil
	case snapshotPartsBucket:
		return st.keep && bytes.HasPrefix(k, generationKey(st.key, st.snap.generation)), nil
	}
	return st.keep, nil
}
