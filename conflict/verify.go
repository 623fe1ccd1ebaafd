package conflict

import (
	"bytes"
	"errors"
	"fmt"

	"concord/internal/id"
	"concord/store"
)

// Verify returns functions for one check of a whole file (see
// store.CheckOptions): that the records can be read, that lists and records
// agree, and that each record has its values.
func Verify() map[store.Table]func(company string, key, value []byte) error {
	v := verifier{seen: map[verifiedKey]*verified{}}
	return map[store.Table]func(company string, key, value []byte) error{
		store.TableConflicts:      v.record,
		store.TableConflictValues: v.value,
		store.TableConflictTimes:  v.index,
		store.TableConflictNotes:  v.note,
	}
}

type verifiedKey struct {
	company  string
	doc      id.DocumentID
	conflict ID
}

// verified is what was found of a record. Records come before all that belongs
// to them.
type verified struct {
	timeKey      [timeSize]byte
	values       int // that are still to come
	byTime, byID bool
}

type verifier struct{ seen map[verifiedKey]*verified }

func (v *verifier) of(company string, key []byte) (*verified, error) {
	if len(key) < recordSize {
		return nil, errMalformed
	}
	k := verifiedKey{company: company}
	k.doc, k.conflict = splitKey(key)
	r := v.seen[k]
	if r == nil {
		return nil, fmt.Errorf("belongs to conflict %s, which doesn't exist", k.conflict)
	}
	return r, nil
}

func (v *verifier) record(company string, key, value []byte) error {
	if key == nil {
		return v.end()
	}
	if len(key) != recordSize {
		return errMalformed
	}
	s, h, err := decodeRecord(key, value)
	if err != nil || !s.has(flagReal) {
		return err
	}
	r := &verified{values: h.Values - len(h.Sides)}
	copy(r.timeKey[:], timeKey(h.Opened, h.Document, h.ID))
	v.seen[verifiedKey{company, h.Document, h.ID}] = r
	return nil
}

func (v *verifier) value(company string, key, value []byte) error {
	if key == nil {
		return nil
	}
	r, err := v.of(company, key)
	if err != nil {
		return err
	}
	r.values--
	var side Value
	if err := decodeJSON(value, &side); err != nil {
		return err
	}
	op, err := parseOp(side.Op)
	if err != nil {
		return err
	}
	if doc, x := splitKey(key); !bytes.Equal(key, valueKey(doc, x, op)) {
		return errors.New("value is kept under another op")
	}
	return nil
}

func (v *verifier) index(company string, key, value []byte) error {
	if key == nil {
		return nil
	}
	if len(key) != indexSize || len(value) != 0 {
		return errMalformed
	}
	r, err := v.of(company, key[timeSize:])
	if err != nil {
		return err
	}
	_, x := splitKey(key[timeSize:])
	switch {
	case bytes.Equal(key[:timeSize], r.timeKey[:]):
		r.byTime = true
	case bytes.Equal(key[:timeSize], indexKey(idNumber(x), id.DocumentID{}, x)[:timeSize]):
		r.byID = true
	default:
		return fmt.Errorf("conflict %s was opened at another time", x)
	}
	return nil
}

func (v *verifier) note(company string, key, value []byte) error {
	if key == nil {
		return nil
	}
	if _, err := v.of(company, key); err != nil {
		return err
	}
	if bytes.Equal(key[recordSize:], assigneeSuffix) {
		return nil
	}
	return decodeJSON(value, new(Note))
}

// end tells what is missing.
func (v *verifier) end() error {
	var all []error
	for k, r := range v.seen {
		switch {
		case r.values != 0:
			all = append(all, fmt.Errorf("conflict %s of document %s has %+d values more than it says", k.conflict, k.doc, -r.values))
		case !r.byTime || !r.byID:
			all = append(all, fmt.Errorf("conflict %s of document %s isn't listed", k.conflict, k.doc))
		}
		if len(all) == 100 {
			break
		}
	}
	return errors.Join(all...)
}
