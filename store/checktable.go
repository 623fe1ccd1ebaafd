package store

import "bytes"

// author counts a user of a document's attributions; key is that of a run.
func (k *recordChecker) author(key []byte, user uint32) {
	k.authors++
	if k.version >= 3 {
		k.counterpart(attributionsBucket, key, editorsBucket, editorKey(key, user), nil)
	}
}

// editors checks the index of documents by user, after the attributions.
func (k *recordChecker) editors() error {
	count := uint64(0)
	err := k.each(editorsBucket, func(key, payload []byte) {
		if !k.malformed(editorsBucket, key, len(key) != companySize+documentKeySize || len(payload) != 0) && !k.purged(editedDocument(key)) {
			count++
		}
	})
	if err != nil || count <= k.authors || k.unsure {
		return err // each author has an entry, or is a fault that was found
	}
	return k.each(editorsBucket, func(key, _ []byte) {
		if len(key) != companySize+documentKeySize || k.purged(editedDocument(key)) {
			return
		}
		doc, user := editedDocument(key), u32(key[companySize:])
		c := k.tx.Bucket([]byte(attributionsBucket.name)).Cursor()
		for at, v := c.Seek(doc); bytes.HasPrefix(at, doc); at, v = c.Next() {
			if len(v) >= runHeader && u32(v) == user {
				return
			}
		}
		k.fault(editorsBucket, key, adviceReport, "no attribution of the document names the user")
	})
}

// editedDocument returns the document's key of an entry in editors.
func editedDocument(key []byte) []byte {
	return join(key[:companySize], key[companySize+4:])
}

// purged tells whether a document has a tombstone; key is the document's.
func (k *recordChecker) purged(key []byte) bool {
	return k.tx.Bucket([]byte(tombstonesBucket.name)).Get(key) != nil
}

// tables checks the records that other packages keep, as far as the store knows them, and has their owners do the rest.
func (k *recordChecker) tables() error {
	for _, def := range allBuckets {
		if !def.table || def.since > k.version {
			continue
		}
		own := k.o.Tables[Table(def.name)]
		err := k.each(def, func(key, payload []byte) {
			if k.malformed(def, key, len(key) <= companySize || len(key) > companySize+MaxKey || len(payload) > MaxValue) {
				return
			}
			k.companyKnown(def, key)
			k.number(def, key)
			doc, ok := def.owner(key[companySize:], payload)
			if k.malformed(def, key, !ok) {
				return
			}
			if doc = join(key[:companySize], doc); k.purged(doc) {
				return // what is left of it goes
			}
			if len(doc) > companySize {
				k.counterpart(def, key, documentsBucket, doc, nil)
			}
			if own == nil {
				return
			}
			if err := own(k.name(u32(key)), key[companySize:], payload); err != nil {
				k.fault(def, key, adviceReport, "%v", err)
			}
		})
		if err != nil {
			return err
		}
	}
	for _, def := range allBuckets {
		if own := k.o.Tables[Table(def.name)]; def.table && own != nil {
			if err := own("", nil, nil); err != nil {
				k.fault(def, nil, adviceReport, "%v", err)
			}
		}
	}
	return nil
}

// number checks the key of a record that has a number.
func (k *recordChecker) number(def *bucket, key []byte) {
	if !def.numbered || k.malformed(def, key, len(key) != companySize+numberSize || u64(key[companySize:]) == 0) {
		return
	}
	counter := counterKey{u32(key), def}
	last, err := k.counter(counter)
	if err == nil && u64(key[companySize:]) > last {
		k.fault(def, key, adviceRestore, "record has number %d, %d was given last", u64(key[companySize:]), last)
	}
}

// counters checks their form.
func (k *recordChecker) counters() error {
	return k.each(countersBucket, func(key, payload []byte) {
		_, ok := decodeCounter(payload)
		def := tableBucket(Table(key[min(len(key), companySize):]))
		if !k.malformed(countersBucket, key, !ok || def == nil || !def.numbered) {
			k.companyKnown(countersBucket, key)
		}
	})
}

// name returns the name of a company, empty when it isn't known, which is a fault elsewhere.
func (k *recordChecker) name(company uint32) string {
	name, ok := k.names[company]
	if !ok {
		name, _ = k.companyName(company)
		k.names[company] = name
	}
	return name
}

// auditEnd is where the entries of a company were found to end.
type auditEnd struct {
	auditHead
	unsure bool // the latest entry can't be read
}

// audit checks that the entries of each company are those that were put, from the first to the head.
func (k *recordChecker) audit() error {
	ends := make(map[uint32]auditEnd)
	bk := k.tx.Bucket([]byte(auditBucket.name))
	err := bk.ForEach(func(key, value []byte) error {
		if !k.malformed(auditBucket, key, len(key) != companySize+8 || u64(key[companySize:]) == 0) {
			company := u32(key)
			end, ok := ends[company]
			if !ok {
				k.companyKnown(auditBucket, key)
				end.auditHead = auditStart(k.name(company))
			}
			ends[company] = k.auditEntry(key, value, end)
		}
		return k.step()
	})
	if err != nil {
		return err
	}
	heads := k.tx.Bucket([]byte(auditHeadsBucket.name))
	for company, end := range ends {
		if key := appendU32(nil, company); heads.Get(key) == nil {
			k.fault(auditHeadsBucket, key, adviceRestore, "record is missing, there are %d audit entries", end.seq)
		}
	}
	return k.each(auditHeadsBucket, func(key, payload []byte) {
		head, ok := decodeAuditHead(payload)
		if k.malformed(auditHeadsBucket, key, !ok || len(key) != companySize) {
			return
		}
		k.companyKnown(auditHeadsBucket, key)
		switch end := ends[u32(key)]; {
		case end.seq != head.seq:
			k.fault(auditHeadsBucket, key, adviceRestore, "the latest audit entry is %d, it should be %d", end.seq, head.seq)
		case end.hash != head.hash && !end.unsure:
			k.fault(auditHeadsBucket, key, adviceRestore, "the latest audit entry isn't the one that was put")
		}
	})
}

// auditEntry checks one entry against what came before it, and returns what follows.
func (k *recordChecker) auditEntry(key, value []byte, end auditEnd) auditEnd {
	seq := u64(key[companySize:])
	if seq != end.seq+1 {
		k.fault(auditBucket, key, adviceRestore, "audit entries %d to %d are missing", end.seq+1, seq-1)
		end.unsure = true
	}
	next := auditEnd{auditHead: auditHead{seq: seq}, unsure: true}
	payload, ok := k.unsealed(auditBucket, key, value)
	if !ok {
		return next
	}
	e, ok := decodeAudit(seq, payload)
	if k.malformed(auditBucket, key, !ok) {
		return next
	}
	if e.Previous != end.hash && !end.unsure {
		k.fault(auditBucket, key, adviceRestore, "audit entry doesn't follow the one before it: one of them was changed")
	}
	return auditEnd{auditHead: auditHead{seq, e.Hash}}
}
