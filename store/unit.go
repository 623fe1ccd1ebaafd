package store

import (
	"bytes"
	"fmt"
	"slices"
)

// unit is a part of a write: changes of one document, nil for none, with records and audit entries of its company.
type unit struct {
	company string
	changes *Append
	records []Record
	audit   []AuditEntry
}

// validate checks all but the changes.
func (u *unit) validate() error {
	if err := checkText("company", u.company, false); err != nil {
		return err
	}
	for i := range u.records {
		if err := u.records[i].validate(); err != nil {
			return err
		}
	}
	for i := range u.audit {
		if err := u.audit[i].validate(); err != nil {
			return err
		}
	}
	return nil
}

// size is what the unit counts in the queue.
func (u *unit) size() (size int) {
	if a := u.changes; a != nil {
		size += hashSize * len(a.Heads)
		for _, c := range a.Changes {
			size += indexedKeySize + hashSize + len(c.Bytes)
		}
	}
	for _, r := range u.records {
		size += len(r.Key) + len(r.Value)
	}
	for _, e := range u.audit {
		size += auditFixed + len(e.User) + len(e.Action) + len(e.Detail)
	}
	return size
}

// plannedRecord is a Record that can't be refused any more.
type plannedRecord struct {
	def   *bucket
	key   []byte // whole; of a record that gets a number, the company
	value []byte
	next  bool
}

// putUnits makes one write of several units: it checks all that can be refused before it puts the first record.
func (b *batch) putUnits(units []unit) error {
	var appends []plannedAppend
	for _, u := range units {
		if u.changes == nil {
			continue
		}
		p, err := b.planAppend(u.changes, appends)
		if err != nil {
			return fmt.Errorf("append to document %s: %w", u.changes.Doc.Document, err)
		}
		appends = append(appends, p)
	}
	records, err := b.planRecords(units, appends)
	if err != nil {
		return err
	}
	if err := b.planAudit(units); err != nil {
		return err
	}
	for _, p := range appends {
		b.append(p)
	}
	for _, r := range records {
		if r.value == nil {
			b.delete(r.def, r.key)
			continue
		}
		value := append(make([]byte, 0, len(r.value)+crcSize), r.value...)
		if r.next {
			r.key = b.give(r.def, r.key, value)
		}
		b.put(r.def, r.key, value)
	}
	for _, u := range units {
		if err := b.putAudit(u.company, u.audit); err != nil {
			b.failed = err // it was sound a moment ago
		}
	}
	return nil
}

// planRecords checks the records of all units against the file, the appends of the same write, and each other.
func (b *batch) planRecords(units []unit, appends []plannedAppend) (list []plannedRecord, err error) {
	var written map[string]bool // by bucket and key: the record will be there
	for _, u := range units {
		if slices.ContainsFunc(u.records, func(r Record) bool { return r.Absent }) {
			written = make(map[string]bool)
		}
	}
	for _, u := range units {
		if len(u.records) == 0 {
			continue
		}
		company, err := b.mintCompany(u.company)
		if err != nil {
			return nil, err
		}
		var sound []byte // document that was looked up last
		for _, r := range u.records {
			key := append(appendU32(make([]byte, 0, companySize+numberSize+len(r.Key)), company), r.Key...)
			p := plannedRecord{tableBucket(r.Table), key, r.Value, r.Next}
			if r.Next {
				if _, err := b.counter(p.def, company); err != nil {
					return nil, err
				}
			}
			if doc, ok := p.def.owner(r.Key, r.Value); ok && doc != nil && r.Value != nil && !bytes.Equal(sound, doc) {
				if err := b.mayHaveRecords(join(p.key[:companySize], doc), appends); err != nil {
					return nil, fmt.Errorf("put into table %s: %w", r.Table, err)
				}
				sound = doc
			}
			if err := b.checkAbsent(r, p, written); err != nil {
				return nil, err
			}
			list = append(list, p)
		}
	}
	return list, nil
}

// mayHaveRecords refuses records of documents that neither exist nor begin with this write.
func (b *batch) mayHaveRecords(key []byte, appends []plannedAppend) error {
	if slices.ContainsFunc(appends, func(p plannedAppend) bool { return bytes.Equal(p.key, key) }) {
		return nil
	}
	if _, ok, err := b.document(key); err != nil || ok {
		return err
	}
	return fmt.Errorf("document %x has no changes: %w", key[companySize:], ErrNotFound)
}

// checkAbsent refuses a record that was to be absent. written, nil when no record was, learns of this one.
func (b *batch) checkAbsent(r Record, p plannedRecord, written map[string]bool) error {
	if written == nil || r.Next {
		return nil
	}
	name := p.def.name + "\x00" + string(p.key)
	if r.Absent {
		there, known := written[name]
		if !known {
			v, ok, err := b.get(p.def, p.key)
			if err != nil {
				return err
			}
			there = ok && !b.dying(p.def, p.key, v)
		}
		if there {
			return fmt.Errorf("put into table %s, key %x: %w", r.Table, r.Key, ErrExists)
		}
	}
	written[name] = r.Value != nil
	return nil
}
