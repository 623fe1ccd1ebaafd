package store

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"concord/internal/id"
)

// Actions of audit entries.
const (
	ActionPurge           = "document.purge"
	ActionRestore         = "document.restore"
	ActionResolve         = "conflict.resolve"
	ActionAcceptProposal  = "proposal.accept"
	ActionDismissProposal = "proposal.dismiss"
	ActionRevert          = "guard.revert"
	ActionRevoke          = "token.revoke"
	ActionDenied          = "access.denied"
	ActionImport          = "import"
)

// MaxDetail is the limit in bytes for the detail of an audit entry.
const MaxDetail = 64 << 10

// AuditEntry tells of something that was done. Entries are never changed or removed, and each holds the hash of the
// one before, so that the hash of the last one stands for all of them. They hold no content of documents.
type AuditEntry struct {
	Seq      uint64          // from 1 in each company, without gaps; set by the store
	Time     time.Time       // kept in whole milliseconds
	User     string          // verified user; at most MaxText bytes, empty for the operator of the server
	Action   string          // 1 to MaxText bytes
	Document id.DocumentID   // zero: none
	Detail   json.RawMessage // at most MaxDetail bytes; may be empty
	Previous Hash            // of the entry before; for the first, the SHA-256 of "concord audit", 0x00 and the company's name
	Hash     Hash            // SHA-256 of Previous and the entry's canonical encoding; both are set by the store
}

func (e *AuditEntry) validate() error {
	if err := checkText("user", e.User, true); err != nil {
		return err
	}
	if err := checkText("action", e.Action, false); err != nil {
		return err
	}
	if len(e.Detail) > MaxDetail {
		return fmt.Errorf("detail has %d bytes, at most %d are allowed: %w", len(e.Detail), MaxDetail, ErrInvalid)
	}
	if len(e.Detail) > 0 && !json.Valid(e.Detail) {
		return fmt.Errorf("detail isn't JSON: %w", ErrInvalid)
	}
	return nil
}

// auditFixed is the size of an entry's record without its texts, their lengths and its detail.
const auditFixed = hashSize + 8 + id.DocumentIDSize

// encode returns the payload of the entry's record.
func (e *AuditEntry) encode() []byte {
	v := make([]byte, 0, auditFixed+2+len(e.User)+2+len(e.Action)+len(e.Detail)+crcSize)
	v = append(appendTime(append(v, e.Previous[:]...), e.Time), e.Document[:]...)
	return append(appendText(appendText(v, e.User), e.Action), e.Detail...)
}

// auditHash is the hash of the entry with this sequence and payload.
func auditHash(seq uint64, payload []byte) Hash {
	h := sha256.New()
	h.Write(payload[:hashSize])
	h.Write(appendU64(nil, seq))
	h.Write(payload[hashSize:])
	return Hash(h.Sum(nil))
}

func decodeAudit(seq uint64, v []byte) (e AuditEntry, ok bool) {
	if len(v) < auditFixed {
		return AuditEntry{}, false
	}
	e = AuditEntry{Seq: seq, Previous: Hash(v[:hashSize]), Hash: auditHash(seq, v), Time: readTime(v[hashSize:])}
	e.Document = id.DocumentID(v[hashSize+8 : auditFixed])
	rest := v[auditFixed:]
	if e.User, rest, ok = cutText(rest); !ok {
		return AuditEntry{}, false
	}
	if e.Action, rest, ok = cutText(rest); !ok {
		return AuditEntry{}, false
	}
	if len(rest) > 0 {
		e.Detail = append(json.RawMessage(nil), rest...)
	}
	return e, e.validate() == nil
}

// auditHead is where a company's entries end.
type auditHead struct {
	seq  uint64
	hash Hash
}

func (h auditHead) encode() []byte {
	return append(appendU64(make([]byte, 0, 8+hashSize+crcSize), h.seq), h.hash[:]...)
}

// auditStart is the head of a company without entries.
func auditStart(company string) auditHead {
	return auditHead{hash: sha256.Sum256([]byte("concord audit\x00" + company))}
}

func (r reader) auditHead(number uint32, company string) (auditHead, error) {
	key := appendU32(nil, number)
	v, ok, err := r.get(auditHeadsBucket, key)
	if err != nil {
		return auditHead{}, err
	}
	if !ok {
		return auditStart(company), nil
	}
	h, ok := decodeAuditHead(v)
	if !ok {
		return auditHead{}, auditHeadsBucket.corrupt(key, "record is malformed")
	}
	return h, nil
}

func decodeAuditHead(v []byte) (auditHead, bool) {
	if len(v) != 8+hashSize || u64(v) == 0 || u64(v)+1 == 0 {
		return auditHead{}, false
	}
	return auditHead{u64(v), Hash(v[8:])}, true
}

// planAudit checks that the audit entries of all units can be put.
func (b *batch) planAudit(units []unit) error {
	for _, u := range units {
		if len(u.audit) == 0 {
			continue
		}
		company, err := b.mintCompany(u.company)
		if err != nil {
			return err
		}
		if _, err := b.auditHead(company, u.company); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) putAudit(name string, entries []AuditEntry) error {
	if len(entries) == 0 {
		return nil
	}
	company, err := b.mintCompany(name)
	if err != nil {
		return err
	}
	head, err := b.auditHead(company, name)
	if err != nil {
		return err
	}
	for _, e := range entries {
		e.Previous = head.hash
		payload := e.encode()
		head = auditHead{head.seq + 1, auditHash(head.seq+1, payload)}
		b.put(auditBucket, appendU64(appendU32(nil, company), head.seq), payload)
	}
	b.put(auditHeadsBucket, appendU32(nil, company), head.encode())
	return nil
}

// Audit calls fn for the committed audit entries of a company from a sequence on, in their order. The rules of Scan
// hold for fn; the entries are its own.
func (s *Store) Audit(company string, from uint64, fn func(AuditEntry) error) error {
	return s.iterate("read audit entries", func(r reader, call func(func() error) error) error {
		number, ok, err := r.company(company)
		if err != nil || !ok || r.lacks(auditBucket) {
			return err
		}
		return r.scan(auditBucket, number, Range{From: appendU64(nil, from)}, func(k, v []byte) error {
			if len(k) != 8 {
				return auditBucket.corrupt(k, "key is malformed")
			}
			e, ok := decodeAudit(u64(k), v)
			if !ok {
				return auditBucket.corrupt(k, "record is malformed")
			}
			return call(func() error { return fn(e) })
		})
	})
}

// AuditHead returns the sequence and the hash of a company's latest audit entry; seq is 0 when it has none. Who keeps
// the hash elsewhere can tell later that no entry up to it was changed or taken away.
func (s *Store) AuditHead(company string) (seq uint64, hash Hash, err error) {
	err = s.view(nil, func(r reader) error {
		number, ok, err := r.company(company)
		if err != nil || !ok || r.lacks(auditHeadsBucket) {
			return err
		}
		head, err := r.auditHead(number, company)
		seq, hash = head.seq, head.hash
		return err
	})
	if err != nil {
		return 0, Hash{}, fmt.Errorf("read audit head: %w", err)
	}
	return seq, hash, nil
}
