package store

import (
	"bytes"
)

// So much one write deletes of a purged document.
const (
	purgeRecords = 1000
	purgeBytes   = writeStep / 8
)

// newWipe plans how many of a document's windows are kept. Damaged records are no reason not to purge it.
func (b *batch) newWipe(key []byte) wipe {
	doc, _, _ := b.document(key)
	snap, _ := b.snapshot(key)
	windows := doc.changes - min(doc.changes, snap.changes)
	windows += (doc.bytes - min(doc.bytes, snap.bytes) + snap.chunk + snap.graph) / windowEvery
	return wipe{every: 1 + windows/aimedPrints}
}

// purging is one step of deleting the records of a purged document.
type purging struct {
	*batch
	printer
	key     []byte // the document's
	victims []victim
	size    int
}

type victim struct {
	def *bucket
	key []byte
}

// full tells that the rest is for another step.
func (p *purging) full() bool { return len(p.victims) >= purgeRecords || p.size >= purgeBytes }

// purgeStep deletes the next records of a purged document; more is true when others may be left.
func (b *batch) purgeStep(key []byte) (more bool, err error) {
	p, err := b.beginPurging(key)
	if err != nil || p == nil {
		return false, err
	}
	if err := p.collect(); err != nil {
		return false, err
	}
	p.delete()
	return p.full(), nil
}

// beginPurging begins a step; nil for a document that isn't being deleted.
func (b *batch) beginPurging(key []byte) (*purging, error) {
	p := &purging{batch: b, key: key}
	v, ok, err := b.get(wipesBucket, key)
	if err != nil || !ok {
		return nil, err
	}
	if p.wipe, ok = decodeWipe(v); !ok {
		return nil, wipesBucket.corrupt(key, "record is malformed")
	}
	t, ok, err := b.tombstone(key)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, tombstonesBucket.corrupt(key, "record is missing")
	}
	p.salt, p.limit = t.salt, maxPrints
	return p, nil
}

// delete deletes the victims, and keeps their fingerprints.
func (p *purging) delete() {
	for _, v := range p.victims {
		p.batch.delete(v.def, v.key)
	}
	if len(p.taken) > 0 {
		p.put(fingerprintsBucket, appendU32(bytes.Clone(p.key), p.count), p.taken)
		p.count++
	}
	if len(p.victims) > 0 {
		p.put(wipesBucket, p.key, p.wipe.encode())
	}
}

// collect finds the records to delete, those of tables first: their share of the fingerprints is limited.
func (p *purging) collect() error {
	p.limit = maxTablePrints
	for _, def := range allBuckets {
		if def.documents && def.table {
			if err := p.under(def); err != nil {
				return err
			}
		}
	}
	p.limit = maxPrints
	if err := p.rejections(); err != nil {
		return err
	}
	for _, def := range allBuckets {
		if def.documents && !def.table && !def.lasting {
			if err := p.under(def); err != nil {
				return err
			}
		}
	}
	return nil
}

// under collects records whose keys begin with the document.
func (p *purging) under(def *bucket) error {
	bk, err := p.bucket(def)
	if err != nil {
		return err
	}
	c := bk.Cursor()
	for k, v := c.Seek(p.key); bytes.HasPrefix(k, p.key) && !p.full(); k, v = c.Next() {
		p.take(def, k, v)
		if def != attributionsBucket {
			continue
		}
		if payload, err := def.unseal(k, v); err == nil && len(payload) >= runHeader {
			p.victims = append(p.victims, victim{editorsBucket, editorKey(p.key, u32(payload))})
		}
	}
	return nil
}

func (p *purging) take(def *bucket, key, value []byte) {
	p.record(key, value)
	p.victims = append(p.victims, victim{def, bytes.Clone(key)})
	p.size += len(value)
}

// rejections collects the rejections of the document by their index.
func (p *purging) rejections() error {
	index, err := p.bucket(rejectionIndexBucket)
	if err != nil {
		return err
	}
	records, err := p.bucket(rejectionsBucket)
	if err != nil {
		return err
	}
	c := index.Cursor()
	for k, v := c.Seek(p.key); bytes.HasPrefix(k, p.key) && !p.full(); k, v = c.Next() {
		if seq, err := rejectionIndexBucket.unseal(k, v); err == nil && len(seq) == 8 {
			key := append(bytes.Clone(p.key[:companySize]), seq...)
			if rejection := records.Get(key); rejection != nil {
				p.take(rejectionsBucket, key, rejection)
			}
		}
		p.victims = append(p.victims, victim{rejectionIndexBucket, bytes.Clone(k)})
	}
	return nil
}
