package derive

import (
	"time"

	"concord/crdt"
	"concord/events"
	"concord/internal/id"
	"concord/store"
)

const (
	// maxEvents is how many events are made of changes that come together.
	maxEvents = 10_000
	// maxTogether is how much of the document goes into their data, in bytes;
	// events beyond it have only what the server fills in.
	maxTogether = 4 << 20
)

// maker makes the events of changes that came together.
type maker struct {
	deriver *Deriver
	rules   *typeRules
	key     store.DocKey
	now     time.Time
	records []store.Record
	dropped int
	used    int   // bytes of documents' content in data
	wrong   *Rule // the last one whose event wasn't valid
}

func (d *derivation) newMaker(now time.Time) *maker {
	return &maker{deriver: d.deriver, rules: d.rules, key: d.key, now: now}
}

// make makes the events of a rule, one for each room.
func (m *maker) make(r *Rule, moment Moment, a about, v crdt.View) {
	if len(m.records) >= maxEvents {
		m.dropped++
		return
	}
	rooms := m.rooms(r, v)
	if len(rooms) == 0 {
		return
	}
	e := events.Event{Type: r.eventType(moment), Time: m.now, From: a.who, Document: m.key.Document}
	data, left := r.Data, maxTogether-m.used
	if moment == Deleted {
		data, e.Document = nil, id.DocumentID{}
	}
	before := left
	e.Data = appendData(nil, m.rules.emits[e.Type], a, data, v, &left)
	m.used += before - left
	if m.deriver.rules.catalogue.Validate(e.Type, e.Data) != nil {
		m.invalid(r)
		return
	}
	for _, room := range rooms {
		e.Room = room
		record, err := e.Record()
		if err != nil {
			m.invalid(r)
			continue
		}
		m.records = append(m.records, record)
	}
}

func (m *maker) rooms(r *Rule, v crdt.View) (rooms []string) {
	switch {
	case r.Room.Company:
		return []string{events.CompanyRoom(m.key.Company)}
	case r.Room.Document:
		return []string{events.DocumentRoom(m.key.Document)}
	}
	for _, user := range usersAt(v, r.Room.Users) {
		rooms = append(rooms, events.UserRoom(user))
	}
	return rooms
}

func (m *maker) invalid(r *Rule) {
	m.deriver.counts.invalid.Add(1)
	m.wrong = r
}

// finish counts and logs what was made. Why data don't fit isn't logged: it may be
// what a document says.
func (m *maker) finish() []store.Record {
	d := m.deriver
	d.counts.derived.Add(uint64(len(m.records)))
	d.counts.dropped.Add(uint64(m.dropped))
	if m.wrong != nil {
		d.log.Warn("event doesn't fit the schema of its type", "company", m.key.Company, "document", m.key.Document.String(),
			"rule", m.wrong.Name, "type", m.wrong.Emit)
	}
	if m.dropped > 0 {
		d.log.Warn("too many events of changes that came together", "company", m.key.Company, "document", m.key.Document.String(),
			"dropped", m.dropped)
	}
	return m.records
}
