package presence

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"

	"concord/internal/id"
)

// maxDevices is how many devices of a user are listed; the latest are.
const maxDevices = 64

// Filter narrows a list. The zero value is everybody who is online.
type Filter struct {
	User     string        // only this one, who may be offline; "" = everybody
	Document id.DocumentID // only who has it open or types in it; zero = everybody
	// MayOpen leaves out other documents; nil = none.
	MayOpen func(id.DocumentID) bool
}

// User is what people may know of one user.
type User struct {
	User     string    `json:"user"`
	Online   bool      `json:"online"`
	LastSeen time.Time `json:"lastSeen"` // of one who is online: when a connection was heard of last
	Devices  []Device  `json:"devices"`  // at most 64, the latest first
	Typing   []Place   `json:"typing"`
}

// Device is a device of a user, whatever connections it has.
type Device struct {
	Device    string          `json:"device"`
	Since     time.Time       `json:"since"`     // of its oldest connection
	Documents []id.DocumentID `json:"documents"` // that it has open
}

// Place is where a user types.
type Place struct {
	Document id.DocumentID `json:"document"`
	Field    string        `json:"field"`
	Until    time.Time     `json:"until"` // unless it goes on
}

// List returns users of a company, sorted by name: those who are online, or just the
// one of the filter, also when offline. It is empty when nobody is there, or the user
// has never been online.
func (t *Tracker) List(company string, f Filter) []User {
	if f.MayOpen != nil && f.Document != (id.DocumentID{}) && !f.MayOpen(f.Document) {
		return nil
	}
	list := t.present(company, f)
	if f.User != "" && len(list) == 0 && f.Document == (id.DocumentID{}) {
		return t.absent(company, f.User)
	}
	slices.SortFunc(list, func(a, b User) int { return strings.Compare(a.User, b.User) })
	return list
}

// Online returns the names of a company's users who are online, sorted.
func (t *Tracker) Online(company string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	names := []string{}
	if c := t.companies[company]; c != nil {
		for name, u := range c.users {
			if u.online {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// present lists who is in memory and online.
func (t *Tracker) present(companyName string, f Filter) (list []User) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.companies[companyName]
	if c == nil {
		return nil
	}
	now := time.Now()
	add := func(u *user) {
		if !u.online && f.User == "" || f.Document != (id.DocumentID{}) && !u.in(f.Document, now) {
			return
		}
		list = append(list, u.describe(f.MayOpen, now))
	}
	if f.User == "" {
		for _, u := range c.users {
			add(u)
		}
	} else if u := c.users[f.User]; u != nil {
		add(u)
	}
	return list
}

// absent returns what the store knows of a user.
func (t *Tracker) absent(company, name string) []User {
	value, ok, err := t.o.Store.Get(company, name)
	var s state
	if err == nil && ok {
		s, err = decode(value)
	}
	if err != nil {
		t.o.Logger.Error("read presence", "error", err)
	}
	if err != nil || !ok {
		return nil
	}
	return []User{{User: name, LastSeen: moment(time.UnixMilli(s.LastSeen)), Devices: []Device{}, Typing: []Place{}}}
}

// in reports whether a user has a document open, or types in it.
func (u *user) in(doc id.DocumentID, now time.Time) bool {
	for _, c := range u.connections {
		if !c.stale.Load() && slices.Contains(c.documents, doc) {
			return true
		}
	}
	for _, p := range u.typing {
		if p.place.document == doc && p.until.After(now) {
			return true
		}
	}
	return false
}

func (u *user) describe(mayOpen func(id.DocumentID) bool, now time.Time) User {
	out := User{User: u.name, Online: u.online, LastSeen: u.lastSeen, Devices: []Device{}, Typing: []Place{}}
	devices := make(map[string]*Device)
	for _, c := range u.connections {
		if heard := c.lastHeard(); heard.After(out.LastSeen) {
			out.LastSeen = heard
		}
		if !c.stale.Load() {
			c.describe(devices, mayOpen)
		}
	}
	out.LastSeen = moment(out.LastSeen)
	for _, d := range devices {
		slices.SortFunc(d.Documents, compareDocuments)
		d.Documents, d.Since = slices.Compact(d.Documents), moment(d.Since)
		out.Devices = append(out.Devices, *d)
	}
	slices.SortFunc(out.Devices, func(a, b Device) int {
		return cmp.Or(b.Since.Compare(a.Since), strings.Compare(a.Device, b.Device))
	})
	out.Devices = out.Devices[:min(len(out.Devices), maxDevices)]
	for _, p := range u.typing {
		if p.until.After(now) && (mayOpen == nil || mayOpen(p.place.document)) {
			out.Typing = append(out.Typing, Place{p.place.document, p.place.field, moment(p.until)})
		}
	}
	slices.SortFunc(out.Typing, func(a, b Place) int {
		return cmp.Or(compareDocuments(a.Document, b.Document), strings.Compare(a.Field, b.Field))
	})
	return out
}

// describe adds a connection to its device.
func (c *Connection) describe(devices map[string]*Device, mayOpen func(id.DocumentID) bool) {
	d := devices[c.device]
	if d == nil {
		d = &Device{Device: c.device, Since: c.since, Documents: []id.DocumentID{}}
		devices[c.device] = d
	}
	if c.since.Before(d.Since) {
		d.Since = c.since
	}
	for _, doc := range c.documents {
		if mayOpen == nil || mayOpen(doc) {
			d.Documents = append(d.Documents, doc)
		}
	}
}

func compareDocuments(a, b id.DocumentID) int { return bytes.Compare(a[:], b[:]) }
