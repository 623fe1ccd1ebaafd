package presence

import "time"

// user is somebody who is online, or of whom there is something left to tell. All
// fields are guarded by the tracker's lock.
type user struct {
	alarm   alarm // the end of the grace
	tracker *Tracker
	company *company
	name    string

	connections []*Connection // also stale ones
	live        int           // of these, not stale
	online      bool
	told        bool // what the store has, or is about to have
	changed     bool // in Tracker.changed
	saving      bool // a write of it is under way
	lastSeen    time.Time
	ended       time.Time // when a live connection was closed last
	typing      map[place]*typing
}

// arrive counts a connection that has come, or come back to life.
func (u *user) arrive(now time.Time) {
	u.live++
	u.tracker.queue.cancel(&u.alarm)
	u.lastSeen = now
	u.turn(true)
}

// depart counts a connection that isn't live any more, and was heard of last at
// seen. closed tells one that was closed from one that fell silent: the user's grace
// begins with its end.
func (u *user) depart(now, seen time.Time, closed bool) {
	if seen.After(u.lastSeen) {
		u.lastSeen = seen
	}
	if closed {
		u.ended = now
	}
	if u.live--; u.live > 0 {
		return
	}
	at := now
	if end := u.ended.Add(u.tracker.o.Grace); end.After(at) {
		at = end
	}
	u.tracker.set(&u.alarm, at)
}

// fire is the end of the grace.
func (u *user) fire(time.Time) { u.turn(false) }

func (u *user) turn(online bool) {
	u.online = online
	if u.online != u.told {
		u.change()
	}
}

// change has the goroutine look at the user.
func (u *user) change() {
	if !u.changed {
		u.changed = true
		u.tracker.changed = append(u.tracker.changed, u)
		u.tracker.stir()
	}
}

// tidy forgets a user of whom the store says all.
func (u *user) tidy() {
	if u.online || u.told || u.changed || u.saving || len(u.connections) > 0 || len(u.typing) > 0 {
		return
	}
	u.tracker.queue.cancel(&u.alarm)
	c := u.company
	if c.users[u.name] != u {
		return
	}
	delete(c.users, u.name)
	if len(c.users) == 0 && u.tracker.companies[c.name] == c {
		delete(u.tracker.companies, c.name)
	}
}
