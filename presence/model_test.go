package presence

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"concord/internal/testkit/node"
)

// The times are no multiples of each other, nor of the second in which things happen, so that nothing coincides.
const (
	modelGrace  = 3300 * time.Millisecond
	modelExpiry = 2100 * time.Millisecond
)

// model says what people are to be told, by looking at everything in small steps.
type model struct {
	ttl    time.Duration
	now    time.Duration
	users  map[string]*modelUser // company and user
	told   []string
	typing []string
}

type modelUser struct {
	online      bool
	ended       time.Duration // negative: never
	connections []*modelConnection
	typing      map[string]*modelTyping
}

type modelConnection struct {
	real      *Connection
	device    string
	heard     time.Duration
	stale     bool
	documents map[byte]bool
}

type modelTyping struct {
	by            *modelConnection
	until, toldAt time.Duration
	told          bool
}

func (m *model) user(name string) *modelUser {
	u := m.users[name]
	if u == nil {
		u = &modelUser{ended: -time.Hour, typing: map[string]*modelTyping{}}
		m.users[name] = u
	}
	return u
}

// look tells what is different at this moment.
func (m *model) look() {
	for name, u := range m.users {
		online := m.now < u.ended+modelGrace
		for _, c := range u.connections {
			c.stale = m.now >= c.heard+m.ttl
			online = online || !c.stale
		}
		if online != u.online {
			u.online = online
			company, user, _ := strings.Cut(name, " ")
			m.told = append(m.told, fmt.Sprintf("%s %s %s %v", company, map[bool]string{true: "online", false: "offline"}[online], user, m.now))
		}
		for place, y := range u.typing {
			if active := y.until > m.now; active != y.told && m.now >= y.toldAt+modelExpiry/10 {
				m.tell(name, place, y, active)
			}
			if !y.told && m.now >= y.toldAt+modelExpiry/10 {
				delete(u.typing, place)
			}
		}
	}
}

func (m *model) tell(name, place string, y *modelTyping, active bool) {
	y.told, y.toldAt = active, m.now
	m.typing = append(m.typing, fmt.Sprintf("%s %s %s %v", name, place, map[bool]string{true: "on", false: "off"}[active], m.now))
}

// modelRun has a model and a tracker see the same for a while.
type modelRun struct {
	t       *testing.T
	rng     *rand.Rand
	model   model
	memory  *memory
	tracker *Tracker
}

func (r *modelRun) act() {
	name := fmt.Sprintf("%s user%d", []string{"acme", "other"}[r.rng.IntN(2)], r.rng.IntN(3))
	u := r.model.user(name)
	var c *modelConnection
	if len(u.connections) > 0 {
		c = u.connections[r.rng.IntN(len(u.connections))]
	}
	switch what := r.rng.IntN(20); {
	case what < 5 && len(u.connections) < 4 || c == nil:
		company, user, _ := strings.Cut(name, " ")
		c = &modelConnection{device: fmt.Sprint("device", r.rng.IntN(3)), heard: r.model.now, documents: map[byte]bool{}}
		c.real = r.tracker.Connect(company, user, c.device)
		u.connections = append(u.connections, c)
	case what < 10:
		r.close(u, c)
	case what < 14:
		c.real.Beat()
		c.heard = r.model.now
	case what < 17:
		r.typeIn(name, u, c)
	default:
		doc := byte(1 + r.rng.IntN(3))
		if c.documents[doc] = r.rng.IntN(2) == 0; c.documents[doc] {
			c.real.Open(document(doc))
		} else {
			c.real.Shut(document(doc))
		}
	}
}

func (r *modelRun) close(u *modelUser, c *modelConnection) {
	c.real.Close()
	if !c.stale {
		u.ended = r.model.now
	}
	u.connections = slices.DeleteFunc(u.connections, func(o *modelConnection) bool { return o == c })
	for _, y := range u.typing {
		if y.by == c {
			y.until = r.model.now
		}
	}
}

func (r *modelRun) typeIn(name string, u *modelUser, c *modelConnection) {
	doc, field, on := document(byte(1+r.rng.IntN(2))), fmt.Sprint("field", r.rng.IntN(2)), r.rng.IntN(3) > 0
	if err := c.real.Typing(doc, field, on); err != nil {
		r.t.Fatal(err)
	}
	place := doc.String()[:3] + " " + field
	y := u.typing[place]
	if y == nil {
		if !on {
			return
		}
		y = &modelTyping{toldAt: -time.Hour}
		u.typing[place] = y
	}
	y.by, y.until = c, r.model.now
	if on {
		y.until = r.model.now + modelExpiry
		if y.told && r.model.now-y.toldAt >= modelExpiry/2 {
			r.model.tell(name, place, y, true)
		}
	}
}

// restart ends the tracker with its connections, and begins another.
func (r *modelRun) restart() {
	r.tracker.Close()
	for _, u := range r.model.users {
		u.connections, u.typing = nil, map[string]*modelTyping{}
		if u.online {
			u.ended = r.model.now
		}
	}
	r.tracker = r.memory.open(r.t, Options{TTL: r.model.ttl, Grace: modelGrace, Expiry: modelExpiry})
}

// in returns who has a document open, or types in it.
func (m *model) in(company string, doc byte) (names []string) {
	for name, u := range m.users {
		user, ok := strings.CutPrefix(name, company+" ")
		here := slices.ContainsFunc(u.connections, func(c *modelConnection) bool { return !c.stale && c.documents[doc] })
		for place, y := range u.typing {
			here = here || y.until > m.now && strings.HasPrefix(place, document(doc).String()[:3])
		}
		if ok && u.online && here {
			names = append(names, user)
		}
	}
	slices.Sort(names)
	return names
}

// list is what the model makes of Tracker.List.
func (m *model) list(company string) (lines []string) {
	for name, u := range m.users {
		user, ok := strings.CutPrefix(name, company+" ")
		if !ok || !u.online {
			continue
		}
		var parts []string
		for _, c := range u.connections {
			if c.stale {
				continue
			}
			parts = append(parts, c.device)
			for doc := range c.documents {
				if c.documents[doc] {
					parts = append(parts, c.device+"="+document(doc).String()[:3])
				}
			}
		}
		for place, y := range u.typing {
			if y.until > m.now {
				parts = append(parts, fmt.Sprintf("%s till %v", place, y.until))
			}
		}
		slices.Sort(parts)
		lines = append(lines, user+": "+strings.Join(slices.Compact(parts), ", "))
	}
	slices.Sort(lines)
	return lines
}

func (r *modelRun) listed(company string) (lines []string) {
	for _, u := range r.tracker.List(company, Filter{}) {
		var parts []string
		for _, d := range u.Devices {
			parts = append(parts, d.Device)
			for _, doc := range d.Documents {
				parts = append(parts, d.Device+"="+doc.String()[:3])
			}
		}
		for _, p := range u.Typing {
			parts = append(parts, fmt.Sprintf("%s %s till %v", p.Document.String()[:3], p.Field, p.Until.Sub(r.memory.start)))
		}
		slices.Sort(parts)
		lines = append(lines, u.User+": "+strings.Join(parts, ", "))
	}
	return lines
}

func (r *modelRun) compare(second int) {
	told, typing := r.memory.take(), r.memory.takeTyping()
	for _, list := range [][]string{told, typing, r.model.told, r.model.typing} {
		slices.Sort(list) // what happens at one moment has no order among users
	}
	what := fmt.Sprintf("in second %d: ", second)
	want(r.t, what+"told", told, r.model.told)
	want(r.t, what+"typing", typing, r.model.typing)
	r.model.told, r.model.typing = nil, nil
	for _, company := range []string{"acme", "other"} {
		want(r.t, what+"list of "+company, r.listed(company), r.model.list(company))
		for doc := byte(1); doc <= 3; doc++ {
			var names []string
			for _, u := range r.tracker.List(company, Filter{Document: document(doc)}) {
				names = append(names, u.User)
			}
			want(r.t, what+"who is in a document of "+company, names, r.model.in(company, doc))
		}
	}
}

func TestAgainstModel(t *testing.T) {
	first := node.Setting(t, "PRESENCE_SEED", 1)
	for seed := first; seed < first+20; seed++ {
		synctest.Test(t, func(t *testing.T) {
			m := newMemory()
			r := &modelRun{t: t, rng: rand.New(rand.NewPCG(uint64(seed), 0)), memory: m, model: model{ttl: []time.Duration{7700 * time.Millisecond, 1700 * time.Millisecond}[seed%2], users: map[string]*modelUser{}}}
			r.tracker = m.open(t, Options{TTL: r.model.ttl, Grace: modelGrace, Expiry: modelExpiry})
			defer func() { r.tracker.Close() }()
			for second := range 300 {
				for range r.rng.IntN(3) {
					r.act()
					r.model.look()
				}
				if r.rng.IntN(60) == 0 {
					synctest.Wait() // what is on its way to the store gets there
					r.restart()
				}
				for range 100 {
					r.model.look()
					time.Sleep(10 * time.Millisecond)
					r.model.now += 10 * time.Millisecond
				}
				r.compare(second)
				if t.Failed() {
					t.Fatalf("PRESENCE_SEED=%d replays this", seed)
				}
			}
		})
	}
}
