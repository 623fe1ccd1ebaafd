package events

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"time"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"

	"concord/internal/id"
	"concord/store"
)

const (
	// MaxPublications is how many events one call publishes.
	MaxPublications = 1000

	// MaxPublished is the limit in bytes for their data together.
	MaxPublished = 8 << 20

	// MaxKey is the limit in bytes for an idempotency key.
	MaxKey = 200
)

// Publication is an event that somebody wants to be told.
type Publication struct {
	Type     string          // one of the catalogue's that not only the server may make
	Room     string          // of a user, of the company, or of a document
	Data     json.RawMessage // nil stands for {}
	Receipts bool            // the publisher wants to know of delivery and reading

	// Document is what it is about, which has to exist. Zero means nothing, or the document of the room.
	Document id.DocumentID
}

// Published is where a publication went.
type Published struct {
	ID     string
	Cursor string // empty for one that isn't kept
}

// Publish tells events, all or none, and returns when they are durable. by is the user who publishes. A key that the same
// user has used within the TTL returns the first answer and tells nothing; empty means none. The errors are
// ErrUnknownType, ErrServerType, ErrInvalid, ErrTooLarge, ErrNoDocument, ErrKeyReused, or the store's.
func (l *Log) Publish(ctx context.Context, company, by, key string, list []Publication) ([]Published, error) {
	p, err := l.publication(company, by, list)
	if err != nil {
		return nil, fmt.Errorf("publish events: %w", err)
	}
	answer, err := p.publish(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("publish events: %w", err)
	}
	return answer, nil
}

// publication is one call of Publish.
type publication struct {
	log         *Log
	company, by string
	now         time.Time
	answer      []Published
	records     []store.Record // the events come first
	kept        []ulid.ULID    // those of the events that are kept, as in records
	live        []Event        // those that aren't
	digest      hash.Hash
}

func (l *Log) publication(company, by string, list []Publication) (*publication, error) {
	switch {
	case len(list) == 0 || len(list) > MaxPublications:
		return nil, fmt.Errorf("there are %d, 1 to %d are allowed: %w", len(list), MaxPublications, ErrInvalid)
	case by == "" || len(by) > maxName || !utf8.ValidString(by):
		return nil, fmt.Errorf("user has %d bytes, 1 to %d of UTF-8 are allowed: %w", len(by), maxName, ErrInvalid)
	case l.ending():
		return nil, ErrClosed
	}
	p := &publication{
		log: l, company: company, by: by, now: l.o.Now().Truncate(time.Millisecond).UTC(), answer: make([]Published, len(list)), digest: sha256.New(),
	}
	size := 0
	var about []store.Record
	for i, item := range list {
		if size += len(item.Data); size > MaxPublished {
			return nil, fmt.Errorf("data of all has more than %d bytes: %w", MaxPublished, ErrTooLarge)
		}
		r, err := p.add(i, item)
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", i+1, err)
		}
		about = append(about, r...)
	}
	p.records = append(p.records, about...)
	return p, nil
}

// add makes an event of a publication, and returns what else is to be stored.
func (p *publication) add(i int, item Publication) (about []store.Record, err error) {
	e, durable, err := p.event(item)
	if err != nil {
		return nil, err
	}
	value, err := e.encode()
	if err != nil {
		return nil, err
	}
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(value)))
	p.digest.Write(size[:])
	p.digest.Write(value[:id.DocumentIDSize])
	p.digest.Write(value[eventFixed-1:]) // all but time and ID
	p.answer[i].ID = e.ID
	if !durable {
		p.live = append(p.live, e)
		return nil, nil
	}
	p.records = append(p.records, store.Record{Table: store.TableEvents, Next: true, Value: value})
	p.kept = append(p.kept, ulid.ULID(valueID(value)))
	if e.Receipts {
		about = append(about, receiptHead(&e, p.now.Add(p.log.o.TTL)))
	}
	return about, nil
}

// event checks a publication against the catalogue.
func (p *publication) event(item Publication) (e Event, durable bool, err error) {
	t, ok := p.log.o.Catalogue.Lookup(item.Type)
	switch {
	case !ok:
		return Event{}, false, fmt.Errorf("type %q: %w", clip(item.Type), ErrUnknownType)
	case t.Server:
		return Event{}, false, fmt.Errorf("type %s: %w", t.Name, ErrServerType)
	case item.Receipts && !t.Durable:
		return Event{}, false, fmt.Errorf("there are no receipts of %s, which isn't kept: %w", t.Name, ErrInvalid)
	}
	room, err := ParseRoom(item.Room)
	if err != nil {
		return Event{}, false, err
	}
	if room.Kind == KindCompany && room.Name != p.company {
		return Event{}, false, fmt.Errorf("room is of another company, yours is %s: %w", CompanyRoom(p.company), ErrInvalid)
	}
	if room.Kind == KindDocument {
		of, err := id.Parse(room.Name)
		if err != nil || item.Document != (id.DocumentID{}) && item.Document != of {
			return Event{}, false, fmt.Errorf("event in a document's room is about another document: %w", ErrInvalid)
		}
		item.Document = of
	}
	if err := p.log.o.Catalogue.Validate(t.Name, item.Data); err != nil {
		return Event{}, false, err
	}
	return Event{
		ID: NewID(p.now), Type: t.Name, Room: room.String(), Time: p.now, From: p.by, Receipts: item.Receipts, Data: item.Data,
		Document: item.Document,
	}, t.Durable, nil
}

func (p *publication) publish(ctx context.Context, key string) ([]Published, error) {
	if len(key) > MaxKey || !utf8.ValidString(key) {
		return nil, fmt.Errorf("idempotency key has %d bytes, at most %d of UTF-8 are allowed: %w", len(key), MaxKey, ErrInvalid)
	}
	if key != "" {
		if answer, known, err := p.again(key); known || err != nil {
			return answer, err
		}
		r, err := p.keyRecord(key)
		if err != nil {
			return nil, err
		}
		p.records = append(p.records, r)
	}
	first, err := p.commit(ctx)
	switch {
	case errors.Is(err, store.ErrExists):
		answer, known, err := p.again(key)
		if err == nil && !known {
			err = fmt.Errorf("idempotency key expires at this moment: %w", ErrKeyReused)
		}
		return answer, err
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrPurged):
		return nil, fmt.Errorf("%w: %w", ErrNoDocument, err)
	case err != nil:
		return nil, err
	}
	for _, e := range p.live {
		p.log.Send(p.company, e)
	}
	numbers := make(map[ulid.ULID]uint64)
	for i, x := range p.kept {
		if first > 0 {
			numbers[x] = first + uint64(i)
		}
	}
	p.point(numbers)
	return p.answer, nil
}

// commit writes the records, and returns the number of the first event.
func (p *publication) commit(ctx context.Context) (first uint64, err error) {
	if len(p.records) == 0 {
		return 0, ctx.Err()
	}
	n := p.log.watch(p.kept)
	done := make(chan error, 1)
	err = p.log.store.Put(ctx, p.company, p.records, nil, func(err error) {
		p.log.unwatch(p.kept)
		done <- err
	})
	if err != nil {
		p.log.unwatch(p.kept)
		return 0, err
	}
	select {
	case err := <-done:
		return *n, err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// point gives the answer its cursors.
func (p *publication) point(numbers map[ulid.ULID]uint64) {
	for i, a := range p.answer {
		x, err := ulid.ParseStrict(a.ID)
		if number := numbers[x]; err == nil && number > 0 {
			p.answer[i].Cursor = position{p.log.epoch, number, int64(x.Time())}.String()
		}
	}
}
