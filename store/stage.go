package store

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"go.etcd.io/bbolt"

	"concord/internal/id"
)

// manifestBucket holds the last backup's manifest in a staged file: key of the document, 8B changes.
var manifestBucket = newBucket("manifest", appendFill)

// stage reads backups into a file that holds everything of all of them.
type stage struct {
	steps
	ctx  context.Context
	o    RestoreOptions
	last Manifest // of the backup that is read, without documents
	read uint64   // documents

	name    string // of the company that the frames belong to
	company uint32
	skip    bool // it isn't to be restored
	doc     *stagedDocument
}

// readBackups reads backups into an empty file.
func readBackups(ctx context.Context, db *bbolt.DB, backups []io.Reader, o RestoreOptions) error {
	s := &stage{steps: steps{db: db}, ctx: ctx, o: o}
	if err := s.begin(); err != nil {
		return err
	}
	defer s.rollback()
	if err := s.create(); err != nil {
		return err
	}
	for i, r := range backups {
		if err := s.backup(r); err != nil {
			return fmt.Errorf("backup %d: %w", i+1, err)
		}
	}
	if len(backups) == 0 {
		return fmt.Errorf("there are no backups: %w", ErrInvalid)
	}
	return s.commit()
}

// backup reads one backup.
func (s *stage) backup(r io.Reader) error {
	f, err := openFrames(r)
	if err != nil {
		return err
	}
	kind, payload, err := f.next()
	if err != nil {
		return err
	}
	m, ok := decodeBegin(payload)
	switch {
	case kind != frameBegin || !ok:
		return malformed("its beginning")
	case s.last.ID == "" && m.Previous != "":
		return fmt.Errorf("it isn't a full backup, but continues %s: %w", m.Previous, ErrBackup)
	case s.last.ID != m.Previous || s.last.ID != "" && s.last.StorageID != m.StorageID:
		return fmt.Errorf("it doesn't continue %s, but %q: %w", s.last.ID, m.Previous, ErrBackup)
	}
	s.last, s.name, s.company, s.skip, s.doc = m, "", 0, true, nil
	if err := s.forget(); err != nil {
		return err
	}
	for kind != frameFinal {
		if kind, payload, err = f.next(); err != nil {
			return err
		}
		if err := s.frame(kind, payload); err != nil {
			return err
		}
		if err := s.wrote(len(payload)); err != nil {
			return err
		}
	}
	return nil
}

func malformed(what string) error { return fmt.Errorf("%s is malformed: %w", what, ErrBackup) }

// forget removes what each backup holds as a whole.
func (s *stage) forget() error {
	if err := s.commit(); err != nil {
		return err
	}
	if err := s.begin(); err != nil {
		return err
	}
	for _, def := range append(allBuckets[:], manifestBucket) {
		switch def {
		case rejectionsBucket, rejectionIndexBucket, revocationsBucket, revocationExpiryBucket, tombstonesBucket, manifestBucket, countersBucket:
		default:
			if !def.table {
				continue
			}
		}
		name := []byte(def.name)
		if s.tx.Bucket(name) != nil {
			if err := s.tx.DeleteBucket(name); err != nil {
				return err
			}
		}
		if _, err := s.tx.CreateBucket(name); err != nil {
			return err
		}
	}
	return s.ctx.Err()
}

// frame takes one frame in.
func (s *stage) frame(kind byte, payload []byte) error {
	switch kind {
	case frameName:
		return s.takeName(payload)
	case frameFinal:
		return nil
	case frameBegin:
		return malformed("the order of its frames")
	}
	if s.skip {
		if s.name == "" {
			return malformed("the order of its frames")
		}
		return nil
	}
	take := map[byte]func([]byte) error{
		frameRecord: s.takeRecord, frameCounter: s.takeCounter, frameRejection: s.takeRejection, frameRevocation: s.takeRevocation,
		frameDocument: s.takeDocument, frameChunk: s.takeChunk, frameGraph: s.takeGraph, frameChange: s.takeChange,
		frameRun: s.takeRun, frameEnd: s.takeEnd,
		frameAudit: s.takeAudit, frameTombstone: s.takeTombstone, frameHead: s.takeHead, frameManifest: s.takeManifest,
	}[kind]
	if take == nil {
		return fmt.Errorf("it has a frame of the unknown kind %q: %w", kind, ErrBackup)
	}
	return take(payload)
}

func (s *stage) takeName(payload []byte) (err error) {
	s.name, s.doc = string(payload), nil
	if err := checkText("company", s.name, false); err != nil {
		return malformed("the name of a company")
	}
	if s.skip = s.o.Company != "" && s.o.Company != s.name; s.skip {
		return s.ctx.Err()
	}
	if s.company, err = s.mintCompany(s.name); err != nil {
		return err
	}
	return s.ctx.Err()
}

// other tells that a document isn't to be restored.
func (s *stage) other(document []byte) bool {
	return s.o.Document != nil && !bytes.Equal(s.o.Document[:], document)
}

// key begins the key of a record of the company.
func (s *stage) key(rest []byte) []byte { return join(appendU32(nil, s.company), rest) }

// seal writes a record; the payload stays the caller's.
func (s *stage) seal(def *bucket, key, payload []byte) {
	s.put(def, key, append(make([]byte, 0, len(payload)+crcSize), payload...))
}

func (s *stage) takeRecord(payload []byte) error {
	if len(payload) == 0 || len(payload) <= int(payload[0]) {
		return malformed("a record")
	}
	table, rest := Table(payload[1:1+payload[0]]), payload[1+payload[0]:]
	key, value, ok := cutText(rest)
	r, def := Record{Table: table, Key: []byte(key), Value: value}, tableBucket(table)
	if !ok || def == nil || r.validateStored(def) != nil {
		return malformed("a record")
	}
	if doc, _ := def.owner(r.Key, r.Value); s.other(doc) {
		return nil
	}
	if !s.o.Until.IsZero() && def != referencesBucket && def != documentTypesBucket {
		return nil
	}
	s.seal(def, s.key(r.Key), r.Value)
	return nil
}

func (s *stage) takeCounter(payload []byte) error {
	if len(payload) < numberSize {
		return malformed("a counter")
	}
	table, number := payload[numberSize:], payload[:numberSize]
	def := tableBucket(Table(table))
	if _, ok := decodeCounter(number); !ok || def == nil || !def.numbered {
		return malformed("a counter")
	}
	s.seal(countersBucket, s.key(table), number)
	return nil
}

func (s *stage) takeRejection(payload []byte) error {
	if len(payload) < 8 {
		return malformed("a rejection")
	}
	key := s.key(payload[:8])
	r, err := decodeRejection(key, payload[8:])
	if err != nil || r.Reason == "" || len(r.Reason) > maxReason {
		return malformed("a rejection")
	}
	if s.other(r.Document[:]) {
		return nil
	}
	s.seal(rejectionsBucket, key, payload[8:])
	s.seal(rejectionIndexBucket, r.indexKey(s.company), payload[:8])
	return nil
}

func (s *stage) takeRevocation(payload []byte) error {
	key, value, ok := cutText(payload)
	if !ok {
		return malformed("a revocation")
	}
	k := s.key([]byte(key))
	r, _, err := decodeRevocation(k, revocationsBucket.seal(k, bytes.Clone(value)))
	r.Company = s.name
	if err != nil || r.validate() != nil {
		return malformed("a revocation")
	}
	return s.putRevocation(r)
}

func (s *stage) takeAudit(payload []byte) error {
	if len(payload) < 8 {
		return malformed("an audit entry")
	}
	if _, ok := decodeAudit(u64(payload), payload[8:]); !ok {
		return malformed("an audit entry")
	}
	s.seal(auditBucket, s.key(payload[:8]), payload[8:])
	return nil
}

func (s *stage) takeHead(payload []byte) error {
	head, ok := decodeHeadFrame(payload)
	if !ok {
		return malformed("an audit head")
	}
	if head.seq > 0 {
		s.seal(auditHeadsBucket, s.key(nil), payload)
	}
	return nil
}

func (s *stage) takeTombstone(payload []byte) error {
	if len(payload) < id.DocumentIDSize+8 {
		return malformed("a tombstone")
	}
	document, rest := payload[:id.DocumentIDSize], payload[id.DocumentIDSize:]
	if s.other(document) {
		return nil
	}
	// The restored file never holds anything of the document.
	t := tombstone{Tombstone: Tombstone{At: readTime(rest), Wiped: time.Now()}}
	rest = rest[8:]
	for _, text := range []*string{&t.By, &t.Reason} {
		var ok bool
		if *text, rest, ok = cutText(rest); !ok {
			return malformed("a tombstone")
		}
	}
	if len(rest) > 0 {
		return malformed("a tombstone")
	}
	s.put(tombstonesBucket, s.key(document), t.encode())
	return nil
}

func (s *stage) takeManifest(payload []byte) error {
	return eachCount(payload, func(document []byte, changes uint64) error {
		if !s.other(document) {
			s.put(manifestBucket, s.key(document), appendU64(nil, changes))
		}
		return nil
	})
}
