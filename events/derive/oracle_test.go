package derive

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/crdt"
	"concord/store"
)

// The oracle knows nothing of the rules' language, and of what came together only
// what the log says. It replays the log of a document change by change, and looks
// at the whole content in JSON after each.

// law is a rule, written down again in Go.
type law struct {
	rule    string // without name and type
	on      string // moments; "" for the others
	happens func(before, after object) bool
	when    func(object) bool
	emit    string
	room    func(object) []string // nil = the company
	data    map[string][]string   // path of each field
}

type object = map[string]any

func at(v any, path ...string) (any, bool) {
	for _, key := range path {
		switch x := v.(type) {
		case object:
			var ok bool
			if v, ok = x[key]; !ok {
				return nil, false
			}
		case []any:
			if key != "0" || len(x) == 0 {
				return nil, false
			}
			v = x[0]
		default:
			return nil, false
		}
	}
	return v, true
}

func number(o object, path ...string) (float64, bool) {
	v, _ := at(o, path...)
	n, ok := v.(float64)
	return n, ok
}

func in(o object, key string, values ...any) bool { return slices.Contains(values, o[key]) }

// differs compares a place as rules do: all maps are alike, and all lists.
func differs(before, after object, key string) bool {
	a, was := before[key]
	b, is := after[key]
	for _, v := range []*any{&a, &b} {
		switch (*v).(type) {
		case object:
			*v = "a map"
		case []any:
			*v = "a list"
		}
	}
	return was != is || a != b
}

func more(o object, key string, n float64) bool {
	v, ok := number(o, key)
	return ok && v > n
}

func assignees(o object) (users []string) {
	list, ok := o["assignee"].([]any)
	if !ok {
		list = []any{o["assignee"]}
	}
	for _, v := range list {
		if s, ok := v.(string); ok && s != "" && !slices.Contains(users, "user:"+s) {
			users = append(users, "user:"+s)
		}
	}
	return users
}

func below(o object) bool {
	quantity, ok := number(o, "quantity")
	level, ok2 := number(o, "reorderLevel")
	return ok && ok2 && quantity < level
}

func odd(o object) bool {
	_, assigned := o["assignee"]
	price, ok := number(o, "lines", "0", "price")
	total, ok2 := number(o, "total")
	return in(o, "status", "paid", "posted") && !assigned || ok && ok2 && price > total
}

var laws = []law{
	{
		rule:    "{field: /status, from: [sent, overdue], to: paid, when: /total > 0, emit: invoice:paid, room: company, data: {number: /quantity, total: /total}}",
		happens: func(b, a object) bool { return in(b, "status", "sent", "overdue") && in(a, "status", "paid") },
		when:    func(o object) bool { return more(o, "total", 0) },
		emit:    "invoice:paid", data: map[string][]string{"number": {"quantity"}, "total": {"total"}},
	},
	{
		rule:    "{field: /status, emit: test:status, room: document, data: {status: /status, lines: /lines}}",
		happens: func(b, a object) bool { return differs(b, a, "status") },
		emit:    "test:status", room: func(object) []string { return []string{"document"} },
		data: map[string][]string{"status": {"status"}, "lines": {"lines"}},
	},
	{
		rule:    `{becomes: "/quantity < /reorderLevel", emit: reorder:triggered, room: company, data: {quantity: /quantity, reorderLevel: /reorderLevel}}`,
		happens: func(b, a object) bool { return !below(b) && below(a) },
		emit:    "reorder:triggered", data: map[string][]string{"quantity": {"quantity"}, "reorderLevel": {"reorderLevel"}},
	},
	{
		rule:    `{becomes: "/status in [paid, posted] and not /assignee exists or /lines/0/price > /total", when: /quantity != 3, emit: test:odd, room: company}`,
		happens: func(b, a object) bool { return !odd(b) && odd(a) },
		when:    func(o object) bool { return o["quantity"] != 3.0 },
		emit:    "test:odd",
	},
	{
		rule:    `{field: /assignee, emit: task:assigned, room: "user:/assignee", data: {title: /title, assignee: /assignee}}`,
		happens: func(b, a object) bool { return differs(b, a, "assignee") },
		emit:    "task:assigned", room: assignees, data: map[string][]string{"title": {"title"}, "assignee": {"assignee"}},
	},
	{
		rule:    "{field: /due, from: null, emit: test:due, room: company, data: {due: /due, customer: /customer}}",
		happens: func(b, a object) bool { return b["due"] == nil && differs(b, a, "due") },
		emit:    "test:due", data: map[string][]string{"due": {"due"}, "customer": {"customer"}},
	},
	{
		rule: `{on: [created, updated, deleted], emit: "document:*", room: company, data: {name: /customer/name}}`,
		on:   "created updated", emit: "document:*", data: map[string][]string{"name": {"customer", "name"}},
	},
	{
		rule: `{on: updated, when: /total > 5, emit: test:updated, room: "user:/assignee"}`,
		on:   "updated", when: func(o object) bool { return more(o, "total", 5) }, emit: "test:updated", room: assignees,
	},
}

const ownTypes = "types: [{name: test:status}, {name: test:odd}, {name: test:due}, {name: test:updated}]\n"

// lawRules is the rules file with the laws for types of documents; guarded ones
// are locked once they are posted or paid.
func lawRules(types ...string) string {
	var b strings.Builder
	b.WriteString(ownTypes + "events:\n")
	for i, l := range laws {
		for _, kind := range types {
			b.WriteString("  - {name: " + kind + string(rune('a'+i)) + ", type: " + kind + ", " + l.rule[1:] + "\n")
		}
	}
	b.WriteString(`guards: [{name: final, type: guarded, when: "/status in [posted, paid]",
  lock: [/status, /total, /lines, /assignee, /customer/name], except: {roles: [accountant]}}]` + "\n")
	return b.String()
}

// stored is one change in the log of a document.
type stored struct {
	change   *crdt.Change
	user     string
	received time.Time
}

func (r *rig) log(key store.DocKey) (list []stored) {
	r.t.Helper()
	info, _, err := r.store.Document(key)
	if err == nil {
		err = r.store.Changes(key, 0, info.Changes, func(_ uint64, c store.Change) error {
			change, err := crdt.ParseChange(slices.Clone(c.Bytes), crdt.Limits{})
			list = append(list, stored{change: change})
			return err
		})
	}
	if err == nil {
		err = r.store.Attributions(key, 0, info.Changes, func(x store.Run) error {
			for i := x.First; i < x.First+x.Count; i++ {
				list[i].user, list[i].received = x.User, x.Received
			}
			return nil
		})
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

// mark is a moment at which due updates were told, or the server was started again,
// whereby everything that is pending is due.
type mark struct {
	changes int // in the log of the document
	at      time.Time
	restart bool
}

// oracle is the replay of one document.
type oracle struct {
	t       testing.TB
	key     store.DocKey
	kind    string
	events  []told
	pending map[int]*waiting // by law
}

type waiting struct {
	who string
	due time.Time
}

// foretell returns the events that a log makes.
func foretell(t testing.TB, key store.DocKey, kind string, log []stored, marks []mark) []told {
	t.Helper()
	o := &oracle{t: t, key: key, kind: kind, pending: map[int]*waiting{}}
	doc := crdt.New()
	now := o.content(doc)
	for i := 0; i < len(log); {
		marks = o.flush(marks, i, now)
		n := 1 // changes that came together
		answered := false
		for i+n < len(log) && log[i+n].received.Equal(log[i].received) {
			n++
		}
		for _, c := range log[i : i+n] {
			answered = answered || c.user == "concord" && strings.HasPrefix(c.change.Message, "Guard: ")
		}
		start := now
		for j, c := range log[i : i+n] {
			if err := doc.Apply(c.change); err != nil {
				t.Fatal(err)
			}
			before := now
			now = o.content(doc)
			if !answered {
				o.step(i+j == 0, before, now, c.user, c.received)
			}
		}
		if answered {
			o.step(i == 0, start, now, log[i].user, log[i].received)
		}
		i += n
	}
	o.flush(marks, len(log), now)
	return o.events
}

func (o *oracle) content(d *crdt.Doc) (v object) {
	if err := json.Unmarshal(d.View().AppendJSON(nil, crdt.Root), &v); err != nil {
		o.t.Fatal(err)
	}
	return v
}

func (o *oracle) step(first bool, before, after object, who string, received time.Time) {
	for i, l := range laws {
		if l.when != nil && !l.when(after) {
			continue
		}
		switch {
		case l.on == "":
			if l.happens(before, after) {
				o.emit(l, "", after, who)
			}
		case first:
			if strings.Contains(l.on, "created") {
				o.emit(l, "created", after, who)
			}
		case strings.Contains(l.on, "updated") && o.pending[i] == nil && !reflect.DeepEqual(before, after):
			o.pending[i] = &waiting{who, received.Add(time.Second)}
		}
	}
}

// flush tells of updates at the marks up to which a number of changes was stored.
func (o *oracle) flush(marks []mark, changes int, now object) []mark {
	for len(marks) > 0 && marks[0].changes <= changes {
		m := marks[0]
		marks = marks[1:]
		for i, l := range laws {
			p := o.pending[i]
			switch {
			case p == nil:
			case m.restart:
				p.due = m.at
			case !p.due.After(m.at):
				o.emit(l, "updated", now, p.who)
				delete(o.pending, i)
			}
		}
	}
	return marks
}

func (o *oracle) emit(l law, moment string, state object, who string) {
	e := told{Type: strings.Replace(l.emit, "*", moment, 1), From: who, Data: object{
		"document": o.key.Document.String(), "ref": "ref-" + o.key.Document.String(), "type": o.kind, "user": who,
	}}
	for name, path := range l.data {
		if v, ok := at(state, path...); ok {
			e.Data[name] = v
		}
	}
	rooms := []string{"company:acme"}
	if l.room != nil {
		rooms = l.room(state)
	}
	for _, e.Room = range rooms {
		if e.Room == "document" {
			e.Room += ":" + o.key.Document.String()
		}
		o.events = append(o.events, e)
	}
}
