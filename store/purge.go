package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"
)

// Purge is the deletion of one document for good.
type Purge struct {
	By     string    // verified user; at most MaxText bytes, empty for the operator of the server
	At     time.Time // kept in whole milliseconds
	Reason string    // at most MaxText bytes

	// Records and Audit are written with the tombstone. Records under the document in tables whose keys begin with
	// it need not be listed.
	Records []Record
	Audit   []AuditEntry
}

// Purge queues the deletion of a document, which may be one that doesn't exist: its ID is never used again. When done
// gets nil, the tombstone is durable and no read finds anything of the document: the error is ErrPurged. Its records are
// deleted after that, a few at a time, and then the pages of the file that held them are overwritten, see AwaitWipe; a
// process that stops goes on with both after the next start. For a document that was purged before, nothing is written.
//
// Who brought changes stays known by name in the file: names of users, devices and companies aren't content.
func (s *Store) Purge(ctx context.Context, key DocKey, p Purge, done func(error)) error {
	u := unit{company: key.Company, records: p.Records, audit: p.Audit}
	err := u.validate()
	if err == nil {
		err = checkText("user", p.By, true)
	}
	if err == nil && len(p.Reason) > MaxText {
		err = fmt.Errorf("reason has %d bytes, at most %d are allowed: %w", len(p.Reason), MaxText, ErrInvalid)
	}
	if err != nil {
		return fmt.Errorf("purge document %s: %w", key.Document, err)
	}
	t := tombstone{Tombstone: Tombstone{By: p.By, At: p.At, Reason: p.Reason}}
	rand.Read(t.salt[:])
	apply := func(b *batch) error {
		if err := b.purge(key, t, u); err != nil {
			return fmt.Errorf("purge document %s: %w", key.Document, err)
		}
		return nil
	}
	return s.submit(ctx, u.size(), apply, func(err error) {
		s.wiper.wake()
		if err == nil && s.o.OnPurged != nil {
			s.o.OnPurged(key)
		}
		if done != nil {
			done(err)
		}
	})
}

// purge makes a document unreadable and notes that its records are to be deleted.
func (b *batch) purge(d DocKey, t tombstone, u unit) error {
	company, err := b.mintCompany(d.Company)
	if err != nil {
		return err
	}
	key := append(appendU32(make([]byte, 0, documentKeySize), company), d.Document[:]...)
	if _, purged, err := b.tombstone(key); err != nil || purged {
		return err
	}
	w := b.newWipe(key)
	if err := b.putUnits([]unit{u}); err != nil {
		return err
	}
	b.put(tombstonesBucket, key, t.encode())
	b.put(wipesBucket, key, w.encode())
	for _, def := range []*bucket{documentsBucket, snapshotsBucket, snapshotTrimsBucket} {
		b.delete(def, key)
	}
	return nil
}
