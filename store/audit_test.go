package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"concord/internal/id"
)

// auditOf returns the entries of a company without what the store sets, after checking that.
func auditOf(t testing.TB, s *Store, company string, from uint64) (list []AuditEntry) {
	t.Helper()
	err := s.Audit(company, from, func(e AuditEntry) error {
		if want := from + uint64(len(list)); e.Seq != want && from > 0 {
			t.Errorf("sequence is %d, want %d", e.Seq, want)
		}
		e.Seq, e.Previous, e.Hash = 0, Hash{}, Hash{}
		list = append(list, e)
		return nil
	})
	if err != nil {
		t.Fatalf("audit: %v", err)
	}
	return list
}

func TestAudit(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	first := AuditEntry{Time: testTime, Action: ActionImport}
	second := auditEntry(ActionPurge)
	third := AuditEntry{Time: testTime.Add(-time.Hour), User: "bob", Action: ActionRevoke, Detail: json.RawMessage(`"x"`)}
	mustPutRecords(t, s, "acme", nil, first, second)
	mustPutRecords(t, s, "globex", nil, third)
	a := appendOf(doc("acme", 1), 0, 1)
	a.Audit = []AuditEntry{third}
	mustPut(t, s, a)
	a = appendOf(doc("acme", 1), 0, 1)
	a.Audit = []AuditEntry{first}
	if err := put(t, s, a); !errors.Is(err, ErrGap) {
		t.Errorf("append: %v, want ErrGap", err)
	}
	for range 2 {
		want := []AuditEntry{first, second, third}
		for from := range uint64(4) {
			if diff := cmp.Diff(want[max(1, from)-1:], auditOf(t, s, "acme", from)); diff != "" {
				t.Errorf("entries from %d (-want +got):\n%s", from, diff)
			}
		}
		if diff := cmp.Diff([]AuditEntry{third}, auditOf(t, s, "globex", 1)); diff != "" {
			t.Errorf("entries of another company (-want +got):\n%s", diff)
		}
		if list := auditOf(t, s, "acme", 4); len(list) != 0 {
			t.Errorf("entries after the last: %v", list)
		}
		if list := auditOf(t, s, "initech", 0); len(list) != 0 {
			t.Errorf("entries of an unknown company: %v", list)
		}
		closeAndCheck(t, s, dir)
		s = open(t, dir, Options{})
	}
	n := 0
	if err := s.Audit("acme", 1, func(AuditEntry) error { n++; return ErrStop }); err != nil || n != 1 {
		t.Errorf("stopped after %d entries: %v", n, err)
	}
	closeAndCheck(t, s, dir)
}

// The hashes are those that the package comment describes.
func TestAuditChain(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	if seq, hash, err := s.AuditHead("acme"); seq != 0 || hash != (Hash{}) || err != nil {
		t.Errorf("head without entries: %d %x %v", seq, hash, err)
	}
	for i := range 3 {
		mustPutRecords(t, s, "acme", nil, auditEntry(fmt.Sprint("action", i)), auditEntry("again"))
	}
	want := sha256.Sum256([]byte("concord audit\x00acme"))
	n := uint64(0)
	err := s.Audit("acme", 0, func(e AuditEntry) error {
		n++
		if e.Seq != n || e.Previous != want {
			t.Errorf("entry %d has sequence %d and follows %x, want %x", n, e.Seq, e.Previous, want)
		}
		want = hashByHand(e)
		if e.Hash != want {
			t.Errorf("entry %d has hash %x, want %x", n, e.Hash, want)
		}
		return nil
	})
	if err != nil || n != 6 {
		t.Errorf("%d entries, %v", n, err)
	}
	if seq, hash, err := s.AuditHead("acme"); seq != 6 || hash != want || err != nil {
		t.Errorf("head: %d %x %v, want 6 %x", seq, hash, err, want)
	}
	closeAndCheck(t, s, dir)
}

func hashByHand(e AuditEntry) Hash {
	text := string(e.Previous[:])
	number := func(v uint64) { text += string(binary.BigEndian.AppendUint64(nil, v)) }
	number(e.Seq)
	number(uint64(e.Time.UnixMilli()))
	text += string(e.Document[:])
	for _, s := range []string{e.User, e.Action} {
		text += string(binary.BigEndian.AppendUint16(nil, uint16(len(s)))) + s
	}
	return sha256.Sum256([]byte(text + string(e.Detail)))
}

// What was written is what is read, whatever an entry holds.
func TestAuditCodec(t *testing.T) {
	for _, e := range []AuditEntry{
		{Seq: 1, Time: time.UnixMilli(-1).UTC(), Action: "a"},
		{Seq: 9, Time: testTime, User: "u", Action: "\x00", Document: id.DocumentID{1}, Detail: json.RawMessage(`null`)},
	} {
		e.Previous[3] = 7
		payload := e.encode()
		e.Hash = auditHash(e.Seq, payload)
		got, ok := decodeAudit(e.Seq, payload)
		if diff := cmp.Diff(e, got); !ok || diff != "" {
			t.Errorf("%v (-want +got):\n%s", ok, diff)
		}
		for n := range len(payload) - len(e.Detail) {
			if _, ok := decodeAudit(1, payload[:n]); ok {
				t.Errorf("%d bytes of %d were read", n, len(payload))
			}
		}
	}
}
