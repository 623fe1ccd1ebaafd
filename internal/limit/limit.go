package limit

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rates are how many per second are allowed; 0 = any number. Five seconds' worth may
// be done at once.
type Rates struct {
	Connection, User, Company int
}

// burstSeconds is how much may be done at once.
const burstSeconds = 5

// Limits bounds one kind of thing. It is safe for concurrent use.
type Limits struct {
	what  string
	rates Rates

	mu      sync.Mutex // guards the following fields
	buckets map[key]*bucket
	swept   time.Time
}

// key names a bucket; a company's has no user.
type key struct{ company, user string }

// bucket bounds a user or a company. It is forgotten when it is full and nobody has it.
type bucket struct {
	*rate.Limiter
	holders int // open connections
}

// New returns limits of something, named in the plural: "publishes".
func New(what string, r Rates) *Limits {
	return &Limits{what: what, rates: r, buckets: make(map[key]*bucket), swept: time.Now()}
}

// Connection is what one connection may do. Close gives it back.
type Connection struct {
	limits  *Limits
	own     *rate.Limiter // nil = any number
	user    *bucket
	company *bucket
	closed  bool
}

// Connect returns the limits of a connection.
func (l *Limits) Connect(company, user string) *Connection {
	c := &Connection{limits: l}
	if l.rates.Connection > 0 {
		c.own = rate.NewLimiter(rate.Limit(l.rates.Connection), burstSeconds*l.rates.Connection)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c.user = l.hold(key{company, user}, l.rates.User)
	c.company = l.hold(key{company: company}, l.rates.Company)
	return c
}

// hold returns a bucket that stays until it is let go; nil when the rate is 0.
func (l *Limits) hold(k key, perSecond int) *bucket {
	if perSecond <= 0 {
		return nil
	}
	b := l.buckets[k]
	if b == nil {
		b = &bucket{Limiter: rate.NewLimiter(rate.Limit(perSecond), burstSeconds*perSecond)}
		l.buckets[k] = b
	}
	b.holders++
	return b
}

// Close ends the connection's part; its user's and company's go on. It is idempotent.
func (c *Connection) Close() {
	c.limits.mu.Lock()
	defer c.limits.mu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	for _, b := range []*bucket{c.user, c.company} {
		if b != nil {
			b.holders--
		}
	}
	c.limits.sweep(time.Now())
}

// Allow reports whether n things may be done at this moment, as nil or an *Error.
// What is refused counts nowhere.
func (c *Connection) Allow(n int) error {
	if n <= 0 {
		return nil
	}
	l := c.limits
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweep(now)
	if err := c.check(now, n); err != nil {
		return err
	}
	for _, limiter := range c.limiters() {
		if limiter != nil {
			limiter.AllowN(now, n)
		}
	}
	return nil
}

// Allow is for what comes without a connection.
func (l *Limits) Allow(company, user string, n int) error {
	c := l.Connect(company, user)
	defer c.Close()
	return c.Allow(n)
}

func (c *Connection) limiters() (all [3]*rate.Limiter) {
	all[0] = c.own
	if c.user != nil {
		all[1] = c.user.Limiter
	}
	if c.company != nil {
		all[2] = c.company.Limiter
	}
	return all
}

var scopes = [3]string{"per connection", "per user", "per company"}

// check returns an error about the limit for which there is longest to wait.
func (c *Connection) check(now time.Time, n int) error {
	worst, wait := -1, time.Duration(0)
	all := c.limiters()
	for i, limiter := range all {
		if limiter == nil {
			continue
		}
		if n > limiter.Burst() {
			return c.refuse(limiter, i, 0)
		}
		if lack := float64(n) - limiter.TokensAt(now); lack > 0 {
			w := time.Duration(math.Ceil(lack / float64(limiter.Limit()) * float64(time.Second)))
			if worst < 0 || w > wait {
				worst, wait = i, w
			}
		}
	}
	if worst < 0 {
		return nil
	}
	return c.refuse(all[worst], worst, max(wait, time.Millisecond))
}

func (c *Connection) refuse(limiter *rate.Limiter, scope int, wait time.Duration) *Error {
	return &Error{Limit: c.limits.what + " " + scopes[scope], Rate: int(limiter.Limit()), Burst: limiter.Burst(), RetryAfter: wait}
}

// sweepInterval is how long a bucket that nobody needs may stay.
const sweepInterval = time.Minute

// sweep forgets the buckets that nobody needs.
func (l *Limits) sweep(now time.Time) {
	if now.Sub(l.swept) < sweepInterval {
		return
	}
	l.swept = now
	for k, b := range l.buckets {
		if b.holders == 0 && b.TokensAt(now) >= float64(b.Burst()) {
			delete(l.buckets, k)
		}
	}
}
