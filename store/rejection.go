package store

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"concord/internal/id"
)

const (
	maxReason = 64
	maxDetail = 2048
)

// Rejection is a change that was refused.
type Rejection struct {
	Seq      uint64 // order of first occurrence within the company, from 1; set by the store
	Company  string
	Document id.DocumentID
	Hash     Hash   // zero when the change had none that could be computed
	User     string // of the latest occurrence, verified
	Device   string // of the latest occurrence
	Reason   string // short stable code, 1 to 64 bytes
	Detail   string // of the latest occurrence; cut to 2,048 bytes
	First    time.Time
	Last     time.Time // when it was refused; PutRejection reads this one
	Count    uint64    // occurrences; set by the store
}

func (r Rejection) validate() error {
	if r.Reason == "" || len(r.Reason) > maxReason {
		return fmt.Errorf("reason has %d bytes, 1 to %d are allowed: %w", len(r.Reason), maxReason, ErrInvalid)
	}
	if err := checkText("company", r.Company, false); err != nil {
		return err
	}
	if err := checkText("user", r.User, false); err != nil {
		return err
	}
	return checkText("device", r.Device, true)
}

// PutRejection queues a rejection. One of the same document, hash and reason is counted on the record that exists,
// which keeps its place in the order. Beyond Options.RejectionLimit the oldest of the company are removed. done gets
// ErrPurged for a purged document.
func (s *Store) PutRejection(ctx context.Context, r Rejection, done func(error)) error {
	if err := r.validate(); err != nil {
		return fmt.Errorf("put rejection: %w", err)
	}
	if len(r.Detail) > maxDetail {
		r.Detail = strings.ToValidUTF8(r.Detail[:maxDetail], "")
	}
	apply := func(b *batch) error {
		if err := b.putRejection(r, s.o.RejectionLimit); err != nil {
			return fmt.Errorf("put rejection: %w", err)
		}
		return nil
	}
	return s.submit(ctx, len(r.User)+len(r.Device)+len(r.Detail), apply, done)
}

func (b *batch) putRejection(r Rejection, limit int) error {
	company, err := b.mintCompany(r.Company)
	if err != nil {
		return err
	}
	index := r.indexKey(company)
	if err := b.notPurged(index[:documentKeySize]); err != nil {
		return err
	}
	seq, known, err := b.sequence(index)
	if err != nil {
		return err
	}
	r.First, r.Count = r.Last, 1
	if known {
		old, err := b.rejection(appendU64(appendU32(nil, company), seq))
		if err != nil {
			return err
		}
		r.First, r.Count = old.First, old.Count+1
	} else if seq, err = b.makeRoom(company, limit); err != nil {
		return err
	}
	b.put(rejectionsBucket, appendU64(appendU32(nil, company), seq), r.encode())
	b.put(rejectionIndexBucket, index, appendU64(nil, seq))
	return nil
}

func (r Rejection) indexKey(company uint32) []byte {
	key := append(appendU32(nil, company), r.Document[:]...)
	return append(append(key, r.Hash[:]...), r.Reason...)
}

func (r reader) sequence(index []byte) (uint64, bool, error) {
	v, ok, err := r.get(rejectionIndexBucket, index)
	if err != nil || !ok {
		return 0, false, err
	}
	if len(v) != 8 {
		return 0, false, rejectionIndexBucket.corrupt(index, "record is malformed")
	}
	return u64(v), true, nil
}

// makeRoom removes the oldest rejections of a company until one more is within the limit, and returns its sequence.
// The first and the last tell the count: it is lower where purges have left gaps.
func (b *batch) makeRoom(company uint32, limit int) (next uint64, err error) {
	prefix := appendU32(nil, company)
	last, _, err := b.lastUnder(rejectionsBucket, prefix)
	if err != nil || last == nil {
		return 1, err
	}
	if len(last) != companySize+8 {
		return 0, rejectionsBucket.corrupt(last, "key is malformed")
	}
	next = u64(last[companySize:]) + 1
	bk, err := b.bucket(rejectionsBucket)
	if err != nil {
		return 0, err
	}
	for c := bk.Cursor(); ; {
		k, _ := c.Seek(prefix)
		if !bytes.HasPrefix(k, prefix) {
			return next, nil
		}
		if len(k) != companySize+8 {
			return 0, rejectionsBucket.corrupt(k, "key is malformed")
		}
		if next-u64(k[companySize:]) < uint64(limit) {
			return next, nil
		}
		key := bytes.Clone(k)
		old, err := b.rejection(key)
		if err != nil {
			return 0, err
		}
		b.delete(rejectionIndexBucket, old.indexKey(company))
		b.delete(rejectionsBucket, key)
	}
}

func (r reader) rejection(key []byte) (Rejection, error) {
	v, ok, err := r.get(rejectionsBucket, key)
	if err != nil {
		return Rejection{}, err
	}
	if !ok {
		return Rejection{}, rejectionsBucket.corrupt(key, "record is missing")
	}
	return decodeRejection(key, v)
}

const rejectionHeader = 8 + 8 + 8 + 16 + hashSize

func (r Rejection) encode() []byte {
	v := appendU64(appendTime(appendTime(nil, r.First), r.Last), r.Count)
	v = append(append(v, r.Document[:]...), r.Hash[:]...)
	for _, s := range []string{r.User, r.Device, r.Reason, r.Detail} {
		v = appendText(v, s)
	}
	return v
}

func decodeRejection(key, v []byte) (Rejection, error) {
	if len(key) != companySize+8 || len(v) < rejectionHeader {
		return Rejection{}, rejectionsBucket.corrupt(key, "record is malformed")
	}
	r := Rejection{Seq: u64(key[companySize:]), First: readTime(v), Last: readTime(v[8:]), Count: u64(v[16:])}
	copy(r.Document[:], v[24:])
	copy(r.Hash[:], v[40:])
	rest := v[rejectionHeader:]
	for _, s := range []*string{&r.User, &r.Device, &r.Reason, &r.Detail} {
		var ok bool
		if *s, rest, ok = cutText(rest); !ok {
			return Rejection{}, rejectionsBucket.corrupt(key, "record is malformed")
		}
	}
	return r, nil
}

// Rejections returns at most limit committed rejections of a company, newest first occurrence first, with sequences
// below before; 0 begins with the newest.
func (s *Store) Rejections(company string, limit int, before uint64) (list []Rejection, err error) {
	err = s.view(nil, func(r reader) error {
		number, ok, err := r.company(company)
		if err != nil || !ok {
			return err
		}
		list, err = r.rejections(number, limit, before)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read rejections: %w", err)
	}
	for i := range list {
		list[i].Company = company
	}
	return list, nil
}

func (r reader) rejections(company uint32, limit int, before uint64) ([]Rejection, error) {
	prefix := appendU32(nil, company)
	key, _, err := r.lastUnder(rejectionsBucket, prefix)
	if err != nil || key == nil {
		return nil, err
	}
	bk, err := r.bucket(rejectionsBucket)
	if err != nil {
		return nil, err
	}
	c := bk.Cursor()
	k, v := c.Seek(key)
	if before != 0 && bytes.Compare(appendU64(prefix, before), k) <= 0 {
		c.Seek(appendU64(prefix, before))
		k, v = c.Prev()
	}
	var list []Rejection
	for ; len(list) < limit && bytes.HasPrefix(k, prefix); k, v = c.Prev() {
		payload, err := rejectionsBucket.unseal(k, v)
		if err != nil {
			return nil, err
		}
		rej, err := decodeRejection(k, payload)
		if err != nil {
			return nil, err
		}
		list = append(list, rej)
	}
	return list, nil
}
