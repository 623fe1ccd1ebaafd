package store

import (
	"bytes"
	"errors"
)

const adviceWipe = "content that was to be deleted is still in the file: keep no copy that others can read, and report this as " +
	"a defect of Concord; a compacted copy holds nothing of it"

// deleting tells whether the document that a key begins with was purged and isn't wiped, so that records of it may be
// left.
func (k *recordChecker) deleting(key []byte) bool {
	bk := k.tx.Bucket([]byte(wipesBucket.name))
	return bk != nil && len(key) >= documentKeySize && bk.Get(key[:documentKeySize]) != nil
}

// wiped tells whether nothing of a document may be left.
func (k *recordChecker) wiped(key []byte) bool { return k.purged(key) && !k.deleting(key) }

// purges checks what is kept of purged documents, and that of those which are wiped nothing else is in the file.
func (k *recordChecker) purges() error {
	search := newSearch(k)
	err := errors.Join(
		k.each(tombstonesBucket, func(key, payload []byte) {
			t, ok := decodeTombstone(payload)
			if k.malformed(tombstonesBucket, key, !ok || len(key) != documentKeySize) {
				return
			}
			k.companyKnown(tombstonesBucket, key)
			switch {
			case k.tx.Bucket([]byte(documentsBucket.name)).Get(key) != nil:
				k.fault(documentsBucket, key, adviceReport, "document was purged")
			case t.Wiped.IsZero():
				k.counterpart(tombstonesBucket, key, wipesBucket, key, nil)
			case k.deleting(key):
				k.fault(wipesBucket, key, adviceReport, "tombstone says that the document is wiped")
			default:
				k.remains(key)
			}
		}),
		k.each(wipesBucket, func(key, payload []byte) {
			_, ok := decodeWipe(payload)
			if !k.malformed(wipesBucket, key, !ok || len(key) != documentKeySize) {
				k.counterpart(wipesBucket, key, tombstonesBucket, key, nil)
			}
		}),
		k.each(fillerBucket, func(key, payload []byte) {
			k.malformed(fillerBucket, key, len(key) != 8 || len(bytes.Trim(payload, "\x00")) > 0)
		}),
		k.owned(),
		k.each(fingerprintsBucket, func(key, payload []byte) {
			if k.malformed(fingerprintsBucket, key, len(key) != documentKeySize+4 || len(payload) == 0 || len(payload)%printSize != 0) {
				return
			}
			k.counterpart(fingerprintsBucket, key, tombstonesBucket, key[:documentKeySize], nil)
			search.add(key[:documentKeySize], payload)
		}),
	)
	if err != nil {
		return err
	}
	return search.finish()
}

// remains reports the records whose keys begin with a wiped document.
func (k *recordChecker) remains(key []byte) {
	for _, def := range allBuckets {
		if (!def.documents || def.lasting) && def != rejectionIndexBucket {
			continue
		}
		if found, _ := k.tx.Bucket([]byte(def.name)).Cursor().Seek(key); bytes.HasPrefix(found, key) {
			k.fault(def, found, adviceWipe, "record of a document that is wiped")
		}
	}
}

// owned looks for records of wiped documents where keys begin with something else.
func (k *recordChecker) owned() error {
	err := k.each(editorsBucket, func(key, _ []byte) {
		if len(key) == companySize+documentKeySize && k.wiped(editedDocument(key)) {
			k.fault(editorsBucket, key, adviceWipe, "record of a document that is wiped")
		}
	})
	for _, def := range allBuckets {
		if !def.table || def.documents || def.since > k.version {
			continue
		}
		err = errors.Join(err, k.each(def, func(key, payload []byte) {
			if len(key) <= companySize {
				return
			}
			if doc, ok := def.owner(key[companySize:], payload); ok && k.wiped(join(key[:companySize], doc)) {
				k.fault(def, key, adviceWipe, "record of a document that is wiped")
			}
		}))
	}
	return err
}
