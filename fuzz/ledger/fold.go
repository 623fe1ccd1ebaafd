package ledger

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"concord/events"
)

// Told is what somebody knows of a document's conflicts who has nothing but the
// events.
type Told struct {
	types   *events.Catalogue
	Known   map[string]Outcome         // by ID, from the company's room
	Room    map[string]Outcome         // likewise, from the document's
	Notices map[string]map[string]bool // by ID, the users who were told of it
	Count   int                        // of all events
	opened  map[string]bool            // by room and ID: the last event was of a conflict, and not that it is resolved
}

// Outcome is what events tell of a conflict.
type Outcome struct {
	Status string
	Winner string // op; "" = nothing
	Values int
}

// NewTold returns what somebody knows who was told nothing.
func NewTold() (*Told, error) {
	types, err := events.NewCatalogue(nil)
	if err != nil {
		return nil, err
	}
	return &Told{types: types, Known: map[string]Outcome{}, Room: map[string]Outcome{}, Notices: map[string]map[string]bool{}, opened: map[string]bool{}}, nil
}

// Take takes the next event of a company's log, as it is stored. Those of other
// types are passed over.
func (t *Told) Take(record []byte) error {
	e, err := events.Decode(record)
	if err != nil || e.Type != "document:conflict" && e.Type != "conflict:resolved" {
		return err
	}
	t.Count++
	if err := t.types.Validate(e.Type, e.Data); err != nil {
		return fmt.Errorf("event %s: %w", e.ID, err)
	}
	var data struct {
		Conflict, Document, Status, Kind string
		Winner                           *struct{ Op string }
		Count, More                      int
		Values                           []json.RawMessage
	}
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return err
	}
	if data.Document != e.Document.String() || data.Kind != "guarded" && data.Count != data.More+len(data.Values) && data.Status != "joined" {
		return fmt.Errorf("event %s contradicts itself: %s", e.ID, e.Data)
	}
	o := Outcome{Status: data.Status, Values: data.Count}
	if data.Winner != nil {
		o.Winner = data.Winner.Op
	}
	room, err := events.ParseRoom(e.Room)
	if err != nil {
		return err
	}
	into := t.Known
	switch room.Kind {
	case events.KindUser:
		if t.Notices[data.Conflict] == nil {
			t.Notices[data.Conflict] = map[string]bool{}
		}
		t.Notices[data.Conflict][room.Name] = true
		return nil
	case events.KindDocument:
		into = t.Room
	}
	key := room.Kind + data.Conflict
	if into[data.Conflict] == o && (e.Type == "document:conflict" || !t.opened[key]) {
		return fmt.Errorf("event %s tells nothing new: %s", e.ID, e.Data)
	}
	t.opened[key] = e.Type == "document:conflict"
	if data.Status == "joined" {
		if _, ok := into[data.Conflict]; !ok {
			return fmt.Errorf("event %s tells that a conflict is gone that nobody was told of", e.ID)
		}
		delete(into, data.Conflict)
	} else {
		into[data.Conflict] = o
	}
	return nil
}

// Compare says what is different between what was told and the records; "" =
// nothing. who tells who wrote an op of a conflict, "" for nobody known: they
// must have been told if something else is shown.
func (t *Told) Compare(records []Record, who func(conflict, op string) string) string {
	want := map[string]Outcome{}
	for _, r := range records {
		want[r.ID] = Outcome{r.Status, r.Winner, len(r.Values)}
	}
	var b strings.Builder
	for name, told := range map[string]map[string]Outcome{"company": t.Known, "document": t.Room} {
		for x, o := range want {
			if got, ok := told[x]; !ok || got != o {
				fmt.Fprintf(&b, "%s: conflict %s is told as %+v (%t), it is %+v\n", name, x, got, ok, o)
			}
		}
		for _, x := range slices.Sorted(maps.Keys(told)) {
			if _, ok := want[x]; !ok {
				fmt.Fprintf(&b, "%s: conflict %s is told and doesn't exist\n", name, x)
			}
		}
	}
	for _, r := range records {
		for _, v := range r.Values {
			user := who(r.ID, v.Op)
			if user != "" && user != who(r.ID, r.Winner) && !t.Notices[r.ID][user] {
				fmt.Fprintf(&b, "%s wasn't told of conflict %s, where %s lost to %q\n", user, r.ID, v.Op, r.Winner)
			}
		}
	}
	return b.String()
}
