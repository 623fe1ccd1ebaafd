package api

import (
	"sync"
	"time"

	"concord/presence"
)

// linger is for how long a device that makes calls counts as present after one.
const linger = 10 * time.Second

// visitors makes those present who come and go with each call.
type visitors struct {
	tracker *presence.Tracker

	mu  sync.Mutex // guards the following field and what it points to
	all map[visitorKey]*visitor
}

type visitorKey struct{ company, user, device string }

// visitor is a device, from its first call until a while after its last.
type visitor struct {
	*presence.Connection
	calls int // under way
	timer *time.Timer
}

func newVisitors(t *presence.Tracker) *visitors {
	return &visitors{tracker: t, all: make(map[visitorKey]*visitor)}
}

// enter begins a call of a device.
func (v *visitors) enter(company, user, device string) (_ *presence.Connection, leave func()) {
	key := visitorKey{company, user, device}
	v.mu.Lock()
	defer v.mu.Unlock()
	one := v.all[key]
	if one == nil {
		one = &visitor{Connection: v.tracker.Connect(company, user, device)}
		v.all[key] = one
	}
	one.calls++
	if one.timer != nil {
		one.timer.Stop()
	}
	one.Beat()
	return one.Connection, sync.OnceFunc(func() { v.leave(key, one) })
}

func (v *visitors) leave(key visitorKey, one *visitor) {
	v.mu.Lock()
	defer v.mu.Unlock()
	one.Beat()
	if one.calls--; one.calls > 0 {
		return
	}
	one.timer = time.AfterFunc(linger, func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		if one.calls == 0 && v.all[key] == one {
			delete(v.all, key)
			one.Close()
		}
	})
}
