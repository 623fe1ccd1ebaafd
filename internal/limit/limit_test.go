package limit

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// refused returns the error of a limit that was reached.
func refused(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no *Error", err)
	}
	return e
}

// allowed counts how often something may be done at this moment.
func allowed(allow func(int) error) (n int) {
	for allow(1) == nil {
		if n++; n == 10_000 {
			break
		}
	}
	return n
}

func TestEachScopeCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New("typing", Rates{Connection: 2, User: 3, Company: 10})
		a, b := l.Connect("acme", "ann"), l.Connect("acme", "ann")
		if n := allowed(a.Allow); n != 10 {
			t.Errorf("one connection may do %d, want 10", n)
		}
		e := refused(t, a.Allow(1))
		if want := "limit of typing per connection: 2 per second, 10 at once; try again in 500ms"; e.Error() != want || e.RetryAfter != 500*time.Millisecond {
			t.Errorf("%q, %v, want %q", e, e.RetryAfter, want)
		}
		if n := allowed(b.Allow); n != 5 {
			t.Errorf("another of the user may do %d, want what is left of 15", n)
		}
		if e := refused(t, b.Allow(1)); e.Limit != "typing per user" || e.Seconds() != 1 {
			t.Errorf("%v", e)
		}
		for i := range 10 {
			if n, want := allowed(l.Connect("acme", fmt.Sprint("user ", i)).Allow), []int{10, 10, 10, 5, 0}[min(i, 4)]; n != want {
				t.Errorf("user %d may do %d, want %d", i, n, want)
			}
		}
		if e := refused(t, l.Connect("acme", "late").Allow(1)); e.Limit != "typing per company" {
			t.Errorf("%v", e)
		}
		if n := allowed(l.Connect("other", "ann").Allow); n != 10 {
			t.Errorf("the same user of another company may do %d", n)
		}
		time.Sleep(time.Hour)
		if n := allowed(a.Allow); n != 10 {
			t.Errorf("later the connection may do %d", n)
		}
	})
}

func TestWhatIsRefusedCountsNowhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New("typing", Rates{Connection: 1, User: 2, Company: 3})
		a, b := l.Connect("acme", "ann"), l.Connect("acme", "ann")
		defer b.Close()
		allowed(a.Allow)
		for range 1000 {
			refused(t, a.Allow(1))
		}
		if n := allowed(b.Allow); n != 5 {
			t.Errorf("the other connection may do %d, want 5", n)
		}
		for range 100 {
			e := refused(t, a.Allow(1))
			time.Sleep(e.RetryAfter)
			if err := a.Allow(1); err != nil {
				t.Fatalf("after the time that was told: %v", err)
			}
		}
	})
}

// What the longest of several waits is for is told, and the others aren't charged.
func TestSeveralLimitsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New("typing", Rates{Connection: 1, User: 1})
		a, b := l.Connect("acme", "ann"), l.Connect("acme", "ann")
		for i, c := range []*Connection{a, b} {
			if err := c.Allow([]int{1, 4}[i]); err != nil {
				t.Fatal(err)
			}
		}
		if e := refused(t, a.Allow(5)); e.Limit != "typing per user" || e.RetryAfter != 5*time.Second {
			t.Errorf("%v", e)
		}

		l = New("typing", Rates{Connection: 1, User: 10})
		for range 10 {
			if err := l.Connect("acme", "ann").Allow(5); err != nil {
				t.Fatal(err)
			}
		}
		c := l.Connect("acme", "ann")
		for range 100 {
			refused(t, c.Allow(1))
		}
		time.Sleep(500 * time.Millisecond)
		if err := c.Allow(5); err != nil {
			t.Errorf("what the user's limit has refused counts for the connection: %v", err)
		}
	})
}

func TestManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New("publishes", Rates{User: 100, Company: 200})
		if err := l.Allow("acme", "erp", 500); err != nil {
			t.Fatal(err)
		}
		e := refused(t, l.Allow("acme", "erp", 250))
		if e.Limit != "publishes per user" || e.RetryAfter != 2500*time.Millisecond || e.Seconds() != 3 {
			t.Errorf("%v, %d", e, e.Seconds())
		}
		e = refused(t, l.Allow("acme", "erp", 501))
		if want := "limit of publishes per user: at most 500 at once"; e.RetryAfter != 0 || e.Error() != want {
			t.Errorf("%q, %v, want %q", e, e.RetryAfter, want)
		}
		for _, n := range []int{0, -5} {
			if err := l.Allow("acme", "erp", n); err != nil {
				t.Errorf("%d: %v", n, err)
			}
		}
		if e := refused(t, l.Allow("acme", "erp", 250)); e.RetryAfter != 2500*time.Millisecond {
			t.Errorf("a negative number has given something back: %v", e)
		}
	})
}

func TestNoLimits(t *testing.T) {
	l := New("anything", Rates{})
	c := l.Connect("acme", "ann")
	defer c.Close()
	if n := allowed(c.Allow); n != 10_000 {
		t.Errorf("%d", n)
	}
	if len(l.buckets) != 0 {
		t.Errorf("%d buckets for nothing", len(l.buckets))
	}
}

// Idle buckets go, but no limit is got around by leaving.
func TestIdleBucketsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New("typing", Rates{User: 1, Company: 1000})
		stays := l.Connect("acme", "stays")
		for i := range 10_000 {
			if err := l.Allow(fmt.Sprint("company ", i%100), fmt.Sprint("user ", i), 5); err != nil {
				t.Fatal(err)
			}
		}
		if e := refused(t, l.Allow("company 7", "user 7", 1)); !strings.Contains(e.Limit, "user") {
			t.Errorf("%v", e)
		}
		time.Sleep(61 * time.Second)
		if err := stays.Allow(5); err != nil {
			t.Fatal(err)
		}
		if n := len(l.buckets); n != 2 {
			t.Errorf("%d buckets are left, want those of the open connection", n)
		}
		stays.Close()
		stays.Close()
		time.Sleep(59 * time.Second)
		if err := l.Allow("acme", "spends", 5); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if err := l.Allow("other", "somebody", 1); err != nil {
			t.Fatal(err)
		}
		if e := refused(t, l.Allow("acme", "spends", 5)); e.RetryAfter != 3*time.Second {
			t.Errorf("who has spent all was forgotten: %v", e)
		}
		time.Sleep(time.Minute)
		l.Connect("acme", "stays").Close()
		if n := len(l.buckets); n != 0 {
			t.Errorf("%d buckets are left", n)
		}
	})
}

func TestConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // time stands still
		l := New("messages", Rates{Connection: 100, User: 100, Company: 20})
		var mu sync.Mutex
		var wg sync.WaitGroup
		sum := 0
		for i := range 20 {
			wg.Go(func() {
				c := l.Connect("acme", fmt.Sprint(i%3))
				defer c.Close()
				n := allowed(c.Allow)
				mu.Lock()
				sum += n
				mu.Unlock()
			})
		}
		wg.Wait()
		if sum != 100 {
			t.Errorf("%d were allowed at once, want 100", sum)
		}
	})
}

func BenchmarkAllow(b *testing.B) {
	l := New("messages", Rates{Connection: 10_000_000, User: 10_000_000, Company: 10_000_000})
	c := l.Connect("acme", "ann")
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Allow(1); err != nil {
			b.Fatal(err)
		}
	}
}
