package store

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"time"

	"concord/internal/id"
)

// Manifest says what a backup holds together with those before it.
type Manifest struct {
	ID        string // UUID of the backup
	Previous  string // of the one that it continues; empty for a full one
	StorageID string // of the store
	Began     time.Time
	Documents uint64 // with those of the backups before
	Changes   uint64 // likewise

	companies []companyManifest
}

// companyManifest is what a backup and those before it hold of one company.
type companyManifest struct {
	name      string
	audit     auditHead
	documents []documentCount // ascending
}

type documentCount struct {
	document id.DocumentID
	changes  uint64
}

// company returns what the backups hold of a company; nil for a nil manifest, and for an unknown company.
func (m *Manifest) company(name string) *companyManifest {
	if m == nil {
		return nil
	}
	for i := range m.companies {
		if m.companies[i].name == name {
			return &m.companies[i]
		}
	}
	return nil
}

// changes returns how many changes of a document the backups hold.
func (c *companyManifest) changes(document []byte) uint64 {
	if c == nil {
		return 0
	}
	i, ok := slices.BinarySearchFunc(c.documents, document, func(d documentCount, want []byte) int {
		return bytes.Compare(d.document[:], want)
	})
	if !ok {
		return 0
	}
	return c.documents[i].changes
}

// manifestStep is how many documents a frame of the manifest holds.
const manifestStep = 4096

const countSize = id.DocumentIDSize + 8

// encode appends the frames of the manifest.
func (c *companyManifest) encode(b []byte) []byte {
	b = appendFrame(b, frameName, []byte(c.name))
	b = appendFrame(b, frameHead, c.audit.encode())
	for part := range slices.Chunk(c.documents, manifestStep) {
		payload := make([]byte, 0, len(part)*countSize)
		for _, d := range part {
			payload = appendU64(append(payload, d.document[:]...), d.changes)
		}
		b = appendFrame(b, frameManifest, payload)
	}
	return b
}

// eachCount calls fn for the documents in a frame of the manifest.
func eachCount(payload []byte, fn func(document []byte, changes uint64) error) error {
	if len(payload)%countSize != 0 {
		return fmt.Errorf("its manifest is malformed: %w", ErrBackup)
	}
	for c := range slices.Chunk(payload, countSize) {
		if err := fn(c[:id.DocumentIDSize], u64(c[id.DocumentIDSize:])); err != nil {
			return err
		}
	}
	return nil
}

func (m *Manifest) encodeBegin() []byte {
	b := appendText(appendText(appendText(nil, m.StorageID), m.ID), m.Previous)
	return appendTime(b, m.Began)
}

func decodeBegin(v []byte) (m Manifest, ok bool) {
	for _, s := range []*string{&m.StorageID, &m.ID, &m.Previous} {
		if *s, v, ok = cutText(v); !ok {
			return Manifest{}, false
		}
	}
	if len(v) != 8 || m.ID == "" {
		return Manifest{}, false
	}
	m.Began = readTime(v)
	return m, true
}

// ReadManifest reads a whole backup and returns what it says of itself, or ErrBackup when it is damaged. The manifest
// takes 24 bytes of memory for each document.
func ReadManifest(r io.Reader) (Manifest, error) {
	m, err := readManifest(r)
	if err != nil {
		return Manifest{}, fmt.Errorf("read backup: %w", err)
	}
	return m, nil
}

func readManifest(r io.Reader) (m Manifest, err error) {
	f, err := openFrames(r)
	if err != nil {
		return Manifest{}, err
	}
	name, first := "", true
	for {
		kind, payload, err := f.next()
		if err != nil {
			return Manifest{}, err
		}
		if first != (kind == frameBegin) {
			return Manifest{}, fmt.Errorf("its beginning is missing, or there are two: %w", ErrBackup)
		}
		switch first = false; kind {
		case frameBegin:
			var ok bool
			if m, ok = decodeBegin(payload); !ok {
				return Manifest{}, fmt.Errorf("its beginning is malformed: %w", ErrBackup)
			}
		case frameName:
			name = string(payload)
		case frameHead:
			head, ok := decodeHeadFrame(payload)
			if !ok {
				return Manifest{}, fmt.Errorf("an audit head is malformed: %w", ErrBackup)
			}
			m.companies = append(m.companies, companyManifest{name: name, audit: head})
		case frameManifest:
			if err := m.addCounts(name, payload); err != nil {
				return Manifest{}, err
			}
		case frameFinal:
			return m, nil
		}
	}
}

// decodeHeadFrame reads an audit head, which is zero when there are no entries.
func decodeHeadFrame(payload []byte) (auditHead, bool) {
	if bytes.Equal(payload, auditHead{}.encode()) {
		return auditHead{}, true
	}
	return decodeAuditHead(payload)
}

// addCounts adds a frame of the manifest to the company that was named last.
func (m *Manifest) addCounts(name string, payload []byte) error {
	if len(m.companies) == 0 || m.companies[len(m.companies)-1].name != name {
		return fmt.Errorf("its manifest has documents of no company: %w", ErrBackup)
	}
	c := &m.companies[len(m.companies)-1]
	return eachCount(payload, func(document []byte, changes uint64) error {
		d := documentCount{id.DocumentID(document), changes}
		if n := len(c.documents); n > 0 && bytes.Compare(c.documents[n-1].document[:], document) >= 0 {
			return fmt.Errorf("its manifest is out of order: %w", ErrBackup)
		}
		c.documents = append(c.documents, d)
		m.Documents++
		m.Changes += changes
		return nil
	})
}

// MarshalBinary returns the manifest as a backup without content, which ReadManifest reads.
func (m *Manifest) MarshalBinary() ([]byte, error) {
	b := appendFrame([]byte(backupMagic), frameBegin, m.encodeBegin())
	for i := range m.companies {
		b = append(b, m.companies[i].encode(nil)...)
	}
	sum := sha256.Sum256(b)
	return appendFrame(b, frameFinal, sum[:]), nil
}

// UnmarshalBinary reads what MarshalBinary has written, or returns ErrBackup.
func (m *Manifest) UnmarshalBinary(b []byte) (err error) {
	*m, err = ReadManifest(bytes.NewReader(b))
	return err
}
