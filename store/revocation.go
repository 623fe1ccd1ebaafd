package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// RevocationKind says what a revocation's ID names.
type RevocationKind string

const (
	RevokeUser  RevocationKind = "user"  // ID is a user: tokens issued up to At are void
	RevokeToken RevocationKind = "token" // ID is a token's jti
)

// Revocation makes tokens void. A later one of the same company, kind and ID replaces it.
type Revocation struct {
	Company string
	Kind    RevocationKind
	ID      string
	At      time.Time
	Until   time.Time // when it may be forgotten; zero means never
	By      string    // user who asked for it
}

func (r Revocation) validate() error {
	if r.Kind != RevokeUser && r.Kind != RevokeToken {
		return fmt.Errorf("kind is %q, it must be %q or %q: %w", r.Kind, RevokeUser, RevokeToken, ErrInvalid)
	}
	if err := checkText("company", r.Company, false); err != nil {
		return err
	}
	if err := checkText("ID", r.ID, false); err != nil {
		return err
	}
	return checkText("author", r.By, true)
}

const (
	revocationHeader = companySize + 1
	revocationFixed  = 8 + 8
)

func (r Revocation) key(company uint32) []byte {
	return append(append(appendU32(nil, company), r.Kind[0]), r.ID...)
}

// expiryKey is the key in revocation-expiry; it sorts by time.
func expiryKey(until int64, key []byte) []byte {
	return append(appendU64(make([]byte, 0, 8+len(key)), uint64(until)), key...)
}

// until returns the expiry in milliseconds, 0 for never. A time at or before 1970 expires at once.
func (r Revocation) until() int64 {
	if r.Until.IsZero() {
		return 0
	}
	return max(1, r.Until.UnixMilli())
}

// PutRevocation queues a revocation with its audit entry, and removes those that have expired.
func (s *Store) PutRevocation(ctx context.Context, r Revocation, done func(error)) error {
	if err := r.validate(); err != nil {
		return fmt.Errorf("put revocation: %w", err)
	}
	apply := func(b *batch) error {
		err := b.expireRevocations(s.o.Now())
		if err == nil {
			err = b.putRevocation(r)
		}
		if err == nil {
			err = b.putAudit(r.Company, []AuditEntry{r.audit()})
		}
		if err != nil {
			return fmt.Errorf("put revocation: %w", err)
		}
		return nil
	}
	return s.submit(ctx, len(r.ID)+len(r.By), apply, done)
}

func (b *batch) putRevocation(r Revocation) error {
	company, err := b.mintCompany(r.Company)
	if err != nil {
		return err
	}
	key := r.key(company)
	old, ok, err := b.get(revocationsBucket, key)
	if err != nil {
		return err
	}
	if ok && len(old) < revocationFixed {
		return revocationsBucket.corrupt(key, "record is malformed")
	}
	if _, err := b.auditHead(company, r.Company); err != nil {
		return err
	}
	if ok && u64(old[8:]) != 0 {
		b.delete(revocationExpiryBucket, expiryKey(int64(u64(old[8:])), key))
	}
	until := r.until()
	if until != 0 {
		b.put(revocationExpiryBucket, expiryKey(until, key), nil)
	}
	b.put(revocationsBucket, key, append(appendU64(appendTime(nil, r.At), uint64(until)), r.By...))
	return nil
}

// audit returns the entry that tells of a revocation.
func (r Revocation) audit() AuditEntry {
	detail, _ := json.Marshal(map[string]string{"kind": string(r.Kind), "id": r.ID}) // strings always can
	return AuditEntry{Time: r.At, User: r.By, Action: ActionRevoke, Detail: detail}
}

// expireRevocations removes the revocations whose time is over, in order of that time.
func (b *batch) expireRevocations(now time.Time) error {
	bk, err := b.bucket(revocationExpiryBucket)
	if err != nil {
		return err
	}
	for {
		k, v := bk.Cursor().First()
		if k == nil {
			return nil
		}
		if _, err := revocationExpiryBucket.unseal(k, v); err != nil {
			return err
		}
		if len(k) < 8 {
			return revocationExpiryBucket.corrupt(k, "key is malformed")
		}
		if int64(u64(k)) > now.UnixMilli() {
			return nil
		}
		k = bytes.Clone(k)
		b.delete(revocationsBucket, k[8:])
		b.delete(revocationExpiryBucket, k)
		if b.failed != nil {
			return nil
		}
	}
}

// Revocations returns the committed revocations of all companies that haven't expired.
func (s *Store) Revocations() (list []Revocation, err error) {
	now := s.o.Now().UnixMilli()
	err = s.view(nil, func(r reader) error {
		bk, err := r.bucket(revocationsBucket)
		if err != nil {
			return err
		}
		return bk.ForEach(func(k, v []byte) error {
			rev, company, err := decodeRevocation(k, v)
			if err != nil {
				return err
			}
			if !rev.Until.IsZero() && rev.until() <= now {
				return nil
			}
			if rev.Company, err = r.companyName(company); err != nil {
				return err
			}
			list = append(list, rev)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read revocations: %w", err)
	}
	return list, nil
}

// decodeRevocation reads a whole record; the company's name is left empty.
func decodeRevocation(k, value []byte) (r Revocation, company uint32, err error) {
	v, err := revocationsBucket.unseal(k, value)
	if err != nil {
		return Revocation{}, 0, err
	}
	if len(k) <= revocationHeader || len(v) < revocationFixed {
		return Revocation{}, 0, revocationsBucket.corrupt(k, "record is malformed")
	}
	switch k[companySize] {
	case 'u':
		r.Kind = RevokeUser
	case 't':
		r.Kind = RevokeToken
	default:
		return Revocation{}, 0, revocationsBucket.corrupt(k, "kind is unknown")
	}
	r.ID, r.At, r.By = string(k[revocationHeader:]), readTime(v), string(v[revocationFixed:])
	if u64(v[8:]) != 0 {
		r.Until = readTime(v[8:])
	}
	return r, u32(k), nil
}

func (r reader) companyName(number uint32) (string, error) {
	key := appendU32(nil, number)
	v, ok, err := r.get(companyNamesBucket, key)
	if err != nil {
		return "", err
	}
	if !ok {
		return "", companyNamesBucket.corrupt(key, "record is missing")
	}
	return string(v), nil
}
