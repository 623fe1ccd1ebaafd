package store

import (
	"bytes"
	"fmt"
)

// sweepSpan is how many records are looked at in one read transaction.
const sweepSpan = 10_000

// sweep deletes the records of purged documents in tables whose keys begin with something else; keys are those of the
// documents.
func (s *Store) sweep(keys [][]byte) error {
	purged := make(map[string]bool, len(keys))
	companies := make(map[uint32]bool)
	for _, key := range keys {
		purged[string(key)], companies[u32(key)] = true, true
	}
	for _, def := range allBuckets {
		if !def.table || def.documents {
			continue
		}
		for company := range companies {
			if err := s.sweepTable(def, company, purged); err != nil {
				return fmt.Errorf("delete from table %s: %w", def.name, err)
			}
		}
	}
	return nil
}

func (s *Store) sweepTable(def *bucket, company uint32, purged map[string]bool) error {
	for from := appendU32(nil, company); from != nil; {
		var found [][]byte
		err := s.view(nil, func(r reader) (err error) {
			found, from, err = r.owned(def, purged, from)
			return err
		})
		if err == nil && len(found) > 0 {
			err = s.writeLate(func(b *batch) error { return b.deleteDying(def, found) })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// deleteDying deletes records, but for those that have come to belong to another document.
func (b *batch) deleteDying(def *bucket, keys [][]byte) error {
	bk, err := b.bucket(def)
	if err != nil {
		return err
	}
	steps := make(map[string]*purging)
	for _, k := range keys {
		v := bk.Get(k)
		doc, ok := def.ownerKey(k, v[:max(0, len(v)-crcSize)])
		if !ok || v == nil {
			continue
		}
		p, known := steps[string(doc)]
		if !known {
			if p, err = b.beginPurging(doc); err != nil {
				return err
			}
			steps[string(doc)] = p
		}
		switch {
		case p == nil:
		case def.owned: // the value is more than the document
			p.take(def, k, v)
		default:
			p.victims = append(p.victims, victim{def, bytes.Clone(k)})
		}
	}
	for _, p := range steps {
		if p != nil {
			p.delete()
		}
	}
	return nil
}

// owned returns the keys of records of the company that from begins with which belong to documents, and where to go on;
// nil at the end.
func (r reader) owned(def *bucket, documents map[string]bool, from []byte) (found [][]byte, next []byte, err error) {
	bk, err := r.bucket(def)
	if err != nil {
		return nil, nil, err
	}
	c := bk.Cursor()
	company := from[:companySize]
	k, v := c.Seek(from)
	for n := 0; bytes.HasPrefix(k, company); k, v = c.Next() {
		if n++; n > sweepSpan || len(found) == purgeRecords {
			return found, bytes.Clone(k), nil
		}
		if doc, ok := def.ownerKey(k, v[:max(0, len(v)-crcSize)]); ok && documents[string(doc)] {
			found = append(found, bytes.Clone(k))
		}
	}
	return found, nil, nil
}

// ownerKey returns the key of the document that a record of a table belongs to.
func (b *bucket) ownerKey(key, payload []byte) ([]byte, bool) {
	if len(key) < companySize {
		return nil, false
	}
	doc, ok := b.owner(key[companySize:], payload)
	return join(key[:companySize], doc), ok
}

// purging tells whether any document is being deleted.
func (r reader) purging() bool {
	if r.lacks(wipesBucket) {
		return false
	}
	first, _ := r.tx.Bucket([]byte(wipesBucket.name)).Cursor().First()
	return first != nil
}

// dying tells whether a record of a table belongs to a document that is being deleted: nobody may read it.
func (r reader) dying(def *bucket, key, payload []byte) bool {
	doc, ok := def.ownerKey(key, payload)
	return ok && !r.lacks(wipesBucket) && r.tx.Bucket([]byte(wipesBucket.name)).Get(doc) != nil
}
