package derive

import (
	"slices"
	"strings"

	"concord/events"
	"concord/internal/rules"
)

// Rules are what a rules file says of events. They are immutable and safe for
// concurrent use.
type Rules struct {
	Types  []events.Type // own types
	Events []*Rule
	Notes  []rules.Problem // what is no mistake, but may not be meant

	catalogue *events.Catalogue
}

// Catalogue returns the built-in types of events and the file's own ones.
func (r *Rules) Catalogue() *events.Catalogue { return r.catalogue }

// Rule says when a document of a type makes an event. One of Field, Becomes and On
// is set.
type Rule struct {
	Name string // unique
	Type string // of documents

	Field    string        // path of a place whose value changes
	From, To []rules.Value // one of them before, and after; nil: any
	Becomes  *rules.Expr   // doesn't hold before, and does after
	On       []Moment

	When *rules.Expr // the document has to meet this after the change; nil = always
	Emit string      // type of the event; if it ends with * the moment's name takes its place
	Room Room
	Data []Datum // sorted by name
	Line int     // in the file
}

// Moment is a time in the life of a document.
type Moment string

// Moments of documents.
const (
	Created Moment = "created"
	Updated Moment = "updated"
	Deleted Moment = "deleted"
)

var moments = []Moment{Created, Updated, Deleted}

// Room says to whom an event goes.
type Room struct {
	Company  bool
	Document bool
	Users    string // path of a user's name, or of a list of them
}

// String returns the room as it stands in the file.
func (r Room) String() string {
	switch {
	case r.Company:
		return events.KindCompany
	case r.Document:
		return events.KindDocument
	}
	return events.KindUser + ":" + r.Users
}

// Datum is a field of an event's data.
type Datum struct{ Name, Path string }

func (r *Rule) on(m Moment) bool { return slices.Contains(r.On, m) }

// eventType returns the type of an event of the rule.
func (r *Rule) eventType(m Moment) string {
	if prefix, ok := strings.CutSuffix(r.Emit, "*"); ok {
		return prefix + string(m)
	}
	return r.Emit
}

// step is the way of a document from one state to another.
type step struct {
	created       bool // it has come into being
	updated       bool // there is something to be seen of it
	changed       bool // some value that rules compare is another one
	before, after func(path string) rules.Value
}

// happens reports whether a step is what the rule waits for, and as which moment.
func (r *Rule) happens(s step) (m Moment, ok bool) {
	switch {
	case len(r.On) == 0:
		ok = s.changed && r.triggered(s)
	case s.created:
		m, ok = Created, r.on(Created)
	case s.updated:
		m, ok = Updated, r.on(Updated)
	}
	return m, ok && (r.When == nil || r.When.Holds(s.after))
}

func (r *Rule) triggered(s step) bool {
	if r.Field == "" {
		return !r.Becomes.Holds(s.before) && r.Becomes.Holds(s.after)
	}
	from, to := s.before(r.Field), s.after(r.Field)
	return !from.Same(to) && (r.From == nil || from.Among(r.From)) && (r.To == nil || to.Among(r.To))
}

// watches yields the paths whose values the rule compares; some may come more than
// once.
func (r *Rule) watches(yield func(string) bool) {
	if r.Field != "" && !yield(r.Field) {
		return
	}
	for _, e := range []*rules.Expr{r.Becomes, r.When} {
		if e == nil {
			continue
		}
		for path := range e.Paths {
			if !yield(path) {
				return
			}
		}
	}
}
