package auth

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func testPrincipal(user string) Principal {
	return Principal{User: user, Company: "acme", Role: RoleEditor, Docs: []string{"d"}, TokenID: "j-" + user,
		IssuedAt: testNow.Add(-time.Minute), Expires: testNow.Add(time.Hour), Deadline: testNow.Add(time.Hour + 30*time.Second)}
}

func issue(tb testing.TB, ts *Tickets, p Principal) string {
	tb.Helper()
	s, _, err := ts.Issue(p)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestTicket(t *testing.T) {
	c := newClock()
	ts := NewTickets(TicketOptions{Now: c.now})
	s, expires, err := ts.Issue(testPrincipal("alice"))
	if err != nil {
		t.Fatal(err)
	}
	if !expires.Equal(testNow.Add(30*time.Second)) || len(s) != 43 || strings.Contains(s, ".") {
		t.Errorf("ticket of %d characters until %v", len(s), expires)
	}
	p, err := ts.Redeem(s)
	checkKind(t, err, nil)
	if diff := cmp.Diff(testPrincipal("alice"), p); diff != "" {
		t.Errorf("principal (-issued +redeemed):\n%s", diff)
	}
	_, err = ts.Redeem(s)
	checkKind(t, err, ErrTicket)

	late := issue(t, ts, testPrincipal("alice"))
	c.advance(30*time.Second - 1)
	onTime := issue(t, ts, testPrincipal("alice"))
	c.advance(1)
	_, err = ts.Redeem(late)
	checkKind(t, err, ErrTicket)
	_, err = ts.Redeem(onTime)
	checkKind(t, err, nil)
	if n := ts.Len(); n != 0 {
		t.Errorf("%d tickets left", n)
	}
}

func TestTicketRefused(t *testing.T) {
	ts := NewTickets(TicketOptions{Now: func() time.Time { return testNow }})
	s := issue(t, ts, testPrincipal("alice"))
	for name, c := range map[string]struct {
		ticket string
		want   error
	}{
		"empty":        {"", ErrTicket},
		"short":        {s[:42], ErrTicket},
		"long":         {s + "A", ErrTicket},
		"other":        {strings.Repeat("A", 43), ErrTicket},
		"other case":   {strings.ToUpper(s), ErrTicket},
		"changed":      {changeLast(s), ErrTicket},
		"JWT":          {sign(t, "HS256", testSecret, `{"alg":"HS256"}`, with()), ErrTokenInURL},
		"huge":         {strings.Repeat("A", 1<<20), ErrTicket},
		"not UTF-8":    {strings.Repeat("\xff", 43), ErrTicket},
		"line break":   {s[:42] + "\n", ErrTicket},
		"dots":         {"a.b.c", ErrTicket},
		"leading zero": {"\x00" + s[1:], ErrTicket},
	} {
		_, err := ts.Redeem(c.ticket)
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		checkKind(t, err, c.want)
		if len(c.ticket) > 8 && strings.Contains(err.Error(), c.ticket[:8]) {
			t.Errorf("%s: the error shows the ticket", name)
		}
	}
	_, err := ts.Redeem(s)
	checkKind(t, err, nil)
}

// changeLast changes the bits of the last character that the encoding doesn't
// use, so that a lenient decoder would read the same bytes.
func changeLast(s string) string {
	return s[:len(s)-1] + string(s[len(s)-1]+1)
}

func TestTicketEndsWithPrincipal(t *testing.T) {
	c := newClock()
	ts := NewTickets(TicketOptions{Now: c.now})
	p := testPrincipal("alice")
	p.Deadline = testNow.Add(5 * time.Second)
	s, expires, err := ts.Issue(p)
	if err != nil || !expires.Equal(p.Deadline) {
		t.Fatalf("expires %v, %v; want the principal's deadline", expires, err)
	}
	c.advance(5 * time.Second)
	_, err = ts.Redeem(s)
	checkKind(t, err, ErrTicket)
}

func TestTicketOfRevoked(t *testing.T) {
	r, err := NewRevocations(nil, func() time.Time { return testNow })
	if err != nil {
		t.Fatal(err)
	}
	ts := NewTickets(TicketOptions{Now: func() time.Time { return testNow }, Revocations: r})
	s := issue(t, ts, testPrincipal("alice"))
	r.RevokeUser(t.Context(), "acme", "alice", "root")
	_, err = ts.Redeem(s)
	checkKind(t, err, ErrRevoked)
}

func TestTicketBounds(t *testing.T) {
	c := newClock()
	ts := NewTickets(TicketOptions{Now: c.now, PerUser: 3, Total: 8})
	var mine []string
	for range 5 {
		mine = append(mine, issue(t, ts, testPrincipal("alice")))
	}
	for i, s := range mine {
		_, err := ts.Redeem(s)
		if i < 2 {
			checkKind(t, err, ErrTicket)
		} else {
			checkKind(t, err, nil)
		}
	}
	other := testPrincipal("alice")
	other.Company = "globex" // not the same user
	for range 3 {
		issue(t, ts, testPrincipal("alice"))
		issue(t, ts, other)
	}
	for i := range 2 {
		issue(t, ts, testPrincipal(fmt.Sprint("user", i)))
	}
	_, _, err := ts.Issue(testPrincipal("one more"))
	checkKind(t, err, ErrUnavailable)
	issue(t, ts, testPrincipal("alice")) // drops one of her own
	c.advance(30 * time.Second)
	issue(t, ts, testPrincipal("one more"))
	if n := ts.Len(); n != 1 {
		t.Errorf("%d tickets, want 1 after the others expired", n)
	}
}

func TestTicketRace(t *testing.T) {
	ts := NewTickets(TicketOptions{})
	p := testPrincipal("alice")
	p.Deadline = time.Now().Add(time.Hour)
	for range 20 {
		s := issue(t, ts, p)
		var won atomic.Int64
		var wg sync.WaitGroup
		start := make(chan struct{})
		for range 100 {
			wg.Go(func() {
				<-start
				if _, err := ts.Redeem(s); err == nil {
					won.Add(1)
				}
			})
		}
		close(start)
		wg.Wait()
		if n := won.Load(); n != 1 {
			t.Fatalf("%d of 100 redeemed one ticket", n)
		}
	}
}

// TestTicketsModel compares the table with a plain list under random use.
func TestTicketsModel(t *testing.T) {
	type known struct {
		text, user string
		expires    time.Time
	}
	rapid.Check(t, func(t *rapid.T) {
		c := newClock()
		ts := NewTickets(TicketOptions{Now: c.now, PerUser: 2, Total: 5})
		var live, dead []known
		expire := func() {
			var keep []known
			for _, k := range live {
				if c.now().Before(k.expires) {
					keep = append(keep, k)
				} else {
					dead = append(dead, k)
				}
			}
			live = keep
		}
		t.Repeat(map[string]func(*rapid.T){
			"issue": func(t *rapid.T) {
				user := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "user")
				expire()
				n, oldest := 0, -1
				for i, k := range live {
					if k.user == user {
						if n++; oldest < 0 {
							oldest = i
						}
					}
				}
				if n == 2 {
					dead = append(dead, live[oldest])
					live = append(live[:oldest:oldest], live[oldest+1:]...)
				}
				s, expires, err := ts.Issue(testPrincipal(user))
				if (err != nil) != (len(live) >= 5) {
					t.Fatalf("with %d live: %v", len(live), err)
				}
				if err == nil {
					live = append(live, known{s, user, expires})
				}
			},
			"redeem": func(t *rapid.T) {
				expire()
				if len(live) == 0 {
					return
				}
				i := rapid.IntRange(0, len(live)-1).Draw(t, "ticket")
				p, err := ts.Redeem(live[i].text)
				if err != nil || p.User != live[i].user {
					t.Fatalf("live ticket: %+v, %v", p, err)
				}
				dead = append(dead, live[i])
				live = append(live[:i:i], live[i+1:]...)
			},
			"redeem dead": func(t *rapid.T) {
				if len(dead) == 0 {
					return
				}
				if _, err := ts.Redeem(rapid.SampledFrom(dead).Draw(t, "ticket").text); err == nil {
					t.Fatal("a dead ticket was redeemed")
				}
			},
			"wait": func(t *rapid.T) {
				c.advance(time.Duration(rapid.IntRange(1, 20).Draw(t, "seconds")) * time.Second)
				expire()
			},
			"": func(t *rapid.T) {
				if ts.Len() != ts.queue.Len() {
					t.Fatalf("%d by hash, %d queued", ts.Len(), ts.queue.Len())
				}
				users := 0
				for _, list := range ts.byUser {
					users += len(list)
				}
				if users != ts.Len() {
					t.Fatalf("%d by hash, %d by user", ts.Len(), users)
				}
			},
		})
	})
}
