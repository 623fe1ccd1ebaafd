package store

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"concord/internal/id"
)

// BackupOptions tunes Backup. The zero value makes a full backup.
type BackupOptions struct {
	// Since is the manifest of the backup to continue: only what came after it is written, with all tables, rejections,
	// revocations and tombstones. Nil means a full backup.
	Since *Manifest

	// Progress is called after each document. Nil means never.
	Progress func(Progress)
}

// manySnapshots is more than the snapshots that are ever put at once.
const manySnapshots = 1 << 20

// Backup writes a backup of the whole store, whose format is described at backupMagic, while others read and write. It
// holds everything that was acknowledged before it began, as it was at one moment: of what came later, only audit
// entries and purges. Sync states aren't in it. The manifest is what a later one can continue.
//
// No read transaction is open while Backup waits for w. One that lasted would keep bbolt from using pages that are
// freed meanwhile, a purge from being wiped, and, when the file outgrows its mapping, everybody from writing. So
// Backup copies what can change into a temporary file in one transaction; changes stay as they are and are read in many.
// Snapshots wait meanwhile, because each takes changes away, and so do other backups.
func (s *Store) Backup(ctx context.Context, w io.Writer, o BackupOptions) (Manifest, error) {
	m, err := s.backup(ctx, w, o)
	if err != nil {
		return Manifest{}, fmt.Errorf("back up: %w", err)
	}
	return m, nil
}

func (s *Store) backup(ctx context.Context, w io.Writer, o BackupOptions) (Manifest, error) {
	if err := s.snapshots.Acquire(ctx, manySnapshots); err != nil {
		return Manifest{}, err
	}
	defer s.snapshots.Release(manySnapshots)
	b := &backup{store: s, ctx: ctx, w: w, sum: sha256.New(), o: o}
	b.manifest = Manifest{ID: newUUID(), Began: s.o.Now()}
	defer b.records.close()
	defer b.documents.close()
	for _, step := range []func() error{
		b.cut, b.writeRecords, b.writeDocuments, b.writeAudit, b.writeTombstones, b.writeManifest,
	} {
		if err := step(); err != nil {
			return Manifest{}, err
		}
	}
	return b.manifest, nil
}

// backup is one that is being made.
type backup struct {
	store    *Store
	ctx      context.Context
	w        io.Writer
	sum      hash.Hash
	o        BackupOptions
	manifest Manifest
	numbers  []uint32 // of the manifest's companies
	total    uint64   // documents to write

	records   spool // frames
	documents spool // documents to write, see listDocument
	buf       []byte
}

// bufferSize is how much is gathered in one read transaction, more or less.
const bufferSize = 1 << 20

func (b *backup) full() bool { return len(b.buf) >= bufferSize }

func (b *backup) frame(kind byte, payload ...[]byte) { b.buf = appendFrame(b.buf, kind, payload...) }

// flush writes what was gathered, outside of any transaction.
func (b *backup) flush() error {
	if err := b.ctx.Err(); err != nil || len(b.buf) == 0 {
		return err
	}
	b.sum.Write(b.buf)
	_, err := b.w.Write(b.buf)
	b.buf = b.buf[:0]
	return err
}

// paged calls read in one transaction after the other until there is no more.
func (b *backup) paged(read func(r reader) (more bool, err error)) error {
	for more := true; more; {
		err := b.store.view(nil, func(r reader) (err error) {
			more, err = read(r)
			return err
		})
		if err == nil {
			err = b.flush()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// spool is a temporary file.
type spool struct {
	f *os.File
	w *bufio.Writer
}

func (s *spool) open() (err error) {
	if s.f, err = os.CreateTemp("", "concord-backup-*"); err == nil {
		s.w = bufio.NewWriterSize(s.f, 256<<10)
	}
	return err
}

// rewind makes what was written readable.
func (s *spool) rewind() (*bufio.Reader, error) {
	if err := s.w.Flush(); err != nil {
		return nil, err
	}
	if _, err := s.f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return bufio.NewReaderSize(s.f, 256<<10), nil
}

func (s *spool) close() {
	if s.f != nil {
		s.f.Close()
		os.Remove(s.f.Name())
	}
}

// cut copies what can change, and notes how far each document goes.
func (b *backup) cut() error {
	if err := errors.Join(b.records.open(), b.documents.open()); err != nil {
		return err
	}
	return b.store.view(nil, func(r reader) error {
		storageID, ok, err := r.get(metaBucket, storageIDKey)
		if err != nil || !ok {
			return errors.Join(err, metaBucket.corrupt(storageIDKey, "record can't be read"))
		}
		b.manifest.StorageID = string(storageID)
		if since := b.o.Since; since != nil {
			if since.StorageID != b.manifest.StorageID {
				return fmt.Errorf("the earlier backup is of another store, or of this one before it was restored: %w", ErrBackup)
			}
			b.manifest.Previous = since.ID
		}
		return r.eachCompany(func(number uint32, name string) error {
			b.manifest.companies = append(b.manifest.companies, companyManifest{name: name})
			b.numbers = append(b.numbers, number)
			return b.cutCompany(r, number, name)
		})
	})
}

func (b *backup) cutCompany(r reader, number uint32, name string) error {
	since := b.o.Since.company(name)
	if err := b.sameAudit(r, number, since); err != nil {
		return err
	}
	b.frame(frameName, []byte(name))
	for _, def := range allBuckets {
		if !def.table && def != rejectionsBucket && def != revocationsBucket && def != countersBucket || r.lacks(def) {
			continue
		}
		err := r.scan(def, number, Range{}, func(key, payload []byte) error {
			if err := b.cutRecord(r, def, number, key, payload); err != nil || !b.full() {
				return err
			}
			return b.spill()
		})
		if err != nil {
			return err
		}
	}
	if err := b.spill(); err != nil {
		return err
	}
	return r.scan(documentsBucket, number, Range{}, func(key, payload []byte) error {
		return b.listDocument(number, key, payload, since)
	})
}

// spill moves what was gathered into the temporary file.
func (b *backup) spill() error {
	if err := b.ctx.Err(); err != nil {
		return err
	}
	_, err := b.records.w.Write(b.buf)
	b.buf = b.buf[:0]
	return err
}

// sameAudit tells a store whose audit entries aren't those of the earlier backup.
func (b *backup) sameAudit(r reader, number uint32, since *companyManifest) error {
	if since == nil || since.audit.seq == 0 {
		return nil
	}
	key := appendU64(appendU32(nil, number), since.audit.seq)
	v, ok, err := r.get(auditBucket, key)
	if err != nil {
		return err
	}
	if !ok || len(v) < auditFixed || auditHash(since.audit.seq, v) != since.audit.hash {
		return fmt.Errorf("audit entry %d of company %q isn't that of the earlier backup: %w", since.audit.seq, since.name, ErrBackup)
	}
	return nil
}

// cutRecord gathers a record of a table, a counter, a rejection or a revocation, unless it is of a purged document.
func (b *backup) cutRecord(r reader, def *bucket, number uint32, key, payload []byte) error {
	switch def {
	case rejectionsBucket:
		if len(payload) < rejectionHeader {
			return rejectionsBucket.corrupt(key, "record is malformed")
		}
		doc := payload[rejectionHeader-hashSize-id.DocumentIDSize:][:id.DocumentIDSize]
		if _, purged, err := r.tombstone(join(appendU32(nil, number), doc)); err != nil || purged {
			return err
		}
		b.frame(frameRejection, key, payload)
	case revocationsBucket:
		b.frame(frameRevocation, appendText(nil, string(key)), payload)
	case countersBucket:
		b.frame(frameCounter, payload, key)
	default:
		doc, _ := def.owner(key, payload)
		if _, purged, err := r.tombstone(join(appendU32(nil, number), doc)); err != nil || purged {
			return err
		}
		head := append([]byte{byte(len(def.name))}, def.name...)
		b.frame(frameRecord, appendText(head, string(key)), payload)
	}
	return nil
}

// listDocument notes a document: 4B company, 4B length and the payload of its record, 16B document, 8B changes that
// earlier backups hold.
func (b *backup) listDocument(number uint32, key, payload []byte, since *companyManifest) error {
	doc, ok := decodeDocument(payload)
	if !ok || len(key) != id.DocumentIDSize {
		return documentsBucket.corrupt(key, "record is malformed")
	}
	before := since.changes(key)
	if before > doc.changes {
		return fmt.Errorf("document %s has fewer changes than the earlier backup: %w", id.DocumentID(key), ErrBackup)
	}
	c := &b.manifest.companies[len(b.manifest.companies)-1]
	c.documents = append(c.documents, documentCount{id.DocumentID(key), doc.changes})
	b.manifest.Documents++
	b.manifest.Changes += doc.changes
	if before == doc.changes {
		return nil
	}
	b.total++
	head := appendU32(appendU32(nil, number), uint32(len(payload)))
	_, err := b.documents.w.Write(appendU64(join(join(head, payload), key), before))
	return err
}

// writeRecords begins the backup.
func (b *backup) writeRecords() error {
	records, err := b.records.rewind()
	if err != nil {
		return err
	}
	b.buf = append(b.buf, backupMagic...)
	b.frame(frameBegin, b.manifest.encodeBegin())
	if err := b.flush(); err != nil {
		return err
	}
	piece := make([]byte, bufferSize)
	for {
		n, err := io.ReadFull(records, piece)
		b.buf = append(b.buf, piece[:n]...)
		if err := b.flush(); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// writeAudit writes the entries that no earlier backup has.
func (b *backup) writeAudit() error {
	for i := range b.manifest.companies {
		c := &b.manifest.companies[i]
		if since := b.o.Since.company(c.name); since != nil {
			c.audit = since.audit
		}
		b.frame(frameName, []byte(c.name))
		err := b.scan(auditBucket, b.numbers[i], appendU64(nil, c.audit.seq+1), func(key, payload []byte) error {
			if len(key) != 8 || len(payload) < auditFixed {
				return auditBucket.corrupt(key, "record is malformed")
			}
			b.frame(frameAudit, key, payload)
			c.audit = auditHead{u64(key), auditHash(u64(key), payload)}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// writeTombstones writes all of them, also of what was purged since the backup began.
func (b *backup) writeTombstones() error {
	for i, c := range b.manifest.companies {
		b.frame(frameName, []byte(c.name))
		err := b.scan(tombstonesBucket, b.numbers[i], nil, func(key, payload []byte) error {
			t, ok := decodeTombstone(payload)
			if !ok || len(key) != id.DocumentIDSize {
				return tombstonesBucket.corrupt(key, "record is malformed")
			}
			b.frame(frameTombstone, encodeTombstoneFrame(key, t.Tombstone))
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func encodeTombstoneFrame(document []byte, t Tombstone) []byte {
	return appendText(appendText(appendTime(bytes.Clone(document), t.At), t.By), t.Reason)
}

// scan calls fn for the records of a company from a key on, in several transactions.
func (b *backup) scan(def *bucket, number uint32, from []byte, fn func(key, payload []byte) error) error {
	return b.paged(func(r reader) (more bool, err error) {
		if r.lacks(def) {
			return false, nil
		}
		err = r.scan(def, number, Range{From: from}, func(key, payload []byte) error {
			if more = b.full(); more {
				from = bytes.Clone(key)
				return ErrStop
			}
			return fn(key, payload)
		})
		if errors.Is(err, ErrStop) {
			err = nil
		}
		return more, err
	})
}

// writeManifest ends the backup.
func (b *backup) writeManifest() error {
	for i := range b.manifest.companies {
		b.buf = b.manifest.companies[i].encode(b.buf)
		if err := b.flush(); err != nil {
			return err
		}
	}
	b.frame(frameFinal, b.sum.Sum(nil))
	return b.flush()
}
