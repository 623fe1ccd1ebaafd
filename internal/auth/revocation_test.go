package auth

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// memoryStore is a RevocationStore.
type memoryStore struct {
	mu    sync.Mutex
	saved map[revocationKey]Revocation
	err   error
}

func (s *memoryStore) Load() ([]Revocation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Revocation
	for _, r := range s.saved {
		list = append(list, r)
	}
	return list, s.err
}

func (s *memoryStore) Save(_ context.Context, r Revocation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if s.saved == nil {
		s.saved = make(map[revocationKey]Revocation)
	}
	s.saved[revocationKey{r.Company, r.Kind, r.ID}] = r
	return nil
}

func newRevocations(tb testing.TB, s RevocationStore, now func() time.Time) *Revocations {
	tb.Helper()
	r, err := NewRevocations(s, now)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func TestRevocations(t *testing.T) {
	c := newClock()
	store := &memoryStore{}
	r := newRevocations(t, store, c.now)
	alice, bob := testPrincipal("alice"), testPrincipal("bob")
	var heard []Revocation
	cancel := r.Subscribe(func(n Revocation) {
		if !r.Revoked(alice) {
			t.Error("a subscriber heard of a revocation before it was in force")
		}
		heard = append(heard, n)
	})
	first, err := r.RevokeUser(t.Context(), "acme", "alice", "root")
	if err != nil {
		t.Fatal(err)
	}
	want := Revocation{Company: "acme", Kind: RevokeKindUser, ID: "alice", At: testNow, By: "root"}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("revocation (-want +got):\n%s", diff)
	}
	if _, err := r.RevokeToken(t.Context(), "acme", "j-bob", bob.Expires, "root"); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := r.RevokeToken(t.Context(), "acme", "unheard", time.Time{}, "root"); err != nil {
		t.Fatal(err)
	}
	if len(heard) != 2 || !heard[0].Covers(alice) || heard[0].Covers(bob) || heard[1].Covers(alice) || !heard[1].Covers(bob) {
		t.Errorf("heard %+v", heard)
	}

	later, noIat, other := alice, alice, alice
	later.IssuedAt = testNow.Add(time.Second)
	noIat.IssuedAt = time.Time{}
	other.Company = "globex"
	noID := bob
	noID.TokenID = ""
	for range 2 { // the second time after a restart
		for name, c := range map[string]struct {
			p    Principal
			want bool
		}{
			"revoked user": {alice, true}, "later token": {later, false}, "token without iat": {noIat, true},
			"user of another company": {other, false}, "revoked token": {bob, true}, "token without jti": {noID, false},
			"someone else": {testPrincipal("carol"), false},
		} {
			if r.Revoked(c.p) != c.want {
				t.Errorf("%s: revoked = %v", name, !c.want)
			}
		}
		if n := len(r.List("acme")); n != 3 {
			t.Errorf("%d revocations listed, want 3", n)
		}
		if n := len(r.List("globex")); n != 0 {
			t.Errorf("%d revocations of another company listed", n)
		}
		r = newRevocations(t, store, c.now)
	}
}

func TestRevocationsAreForgotten(t *testing.T) {
	c := newClock()
	store := &memoryStore{}
	r := newRevocations(t, store, c.now)
	bob := testPrincipal("bob")
	r.RevokeToken(t.Context(), "acme", bob.TokenID, bob.Expires, "root")
	r.RevokeUser(t.Context(), "acme", "alice", "root")
	c.advance(bob.Expires.Sub(testNow) + revocationGrace)
	if !newRevocations(t, store, c.now).Revoked(bob) {
		t.Error("a token in its leeway is no longer revoked")
	}
	c.advance(1)
	again := newRevocations(t, store, c.now)
	if again.Revoked(bob) || !again.Revoked(testPrincipal("alice")) {
		t.Error("want the expired token forgotten and the user kept")
	}
}

func TestRevocationNeverWeakens(t *testing.T) {
	c := newClock()
	r := newRevocations(t, nil, c.now)
	early, late := testNow.Add(time.Hour), testNow.Add(2*time.Hour)
	for _, u := range []struct{ until, want time.Time }{
		{early, early}, {late, late}, {early, late}, {time.Time{}, time.Time{}}, {late, time.Time{}},
	} {
		got, err := r.RevokeToken(t.Context(), "acme", "j", u.until, "root")
		if err != nil || !got.Until.Equal(u.want) {
			t.Errorf("until %v: got %v, want %v", u.until, got.Until, u.want)
		}
	}
	c.advance(time.Minute)
	r.RevokeUser(t.Context(), "acme", "alice", "root")
	c.advance(-time.Minute) // a clock that is set back
	got, err := r.RevokeUser(t.Context(), "acme", "alice", "root")
	if err != nil || !got.At.Equal(testNow.Add(time.Minute)) {
		t.Errorf("at %v, %v; want the later moment", got.At, err)
	}
}

func TestRevocationStoreFails(t *testing.T) {
	broken := errors.New("disk full")
	if _, err := NewRevocations(&memoryStore{err: broken}, nil); !errors.Is(err, broken) {
		t.Errorf("load: %v", err)
	}
	store := &memoryStore{}
	r := newRevocations(t, store, newClock().now)
	store.err = broken
	if _, err := r.RevokeUser(t.Context(), "acme", "alice", "root"); !errors.Is(err, broken) {
		t.Errorf("save: %v", err)
	}
	if !r.Revoked(testPrincipal("alice")) {
		t.Error("an unsaved revocation isn't in force")
	}
}

// A crash after a client was told must not forget why.
func TestRevocationIsSavedBeforeItIsTold(t *testing.T) {
	store := &memoryStore{}
	r := newRevocations(t, store, newClock().now)
	told := 0
	r.Subscribe(func(n Revocation) {
		told++
		store.mu.Lock()
		defer store.mu.Unlock()
		if _, ok := store.saved[revocationKey{n.Company, n.Kind, n.ID}]; !ok {
			t.Errorf("%s is told before it is saved", n.ID)
		}
	})
	if _, err := r.RevokeUser(t.Context(), "acme", "alice", "root"); err != nil {
		t.Fatal(err)
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}

func TestRevocationRefused(t *testing.T) {
	r := newRevocations(t, nil, nil)
	for _, id := range []string{"", "a\x00", strings.Repeat("x", 257)} {
		_, err := r.RevokeUser(t.Context(), "acme", id, "root")
		checkKind(t, err, ErrBadRevocation)
		_, err = r.RevokeToken(t.Context(), "acme", id, time.Time{}, "root")
		checkKind(t, err, ErrBadRevocation)
		_, err = r.RevokeUser(t.Context(), id, "alice", "root")
		checkKind(t, err, ErrBadRevocation)
	}
}

func TestRevocationsConcurrently(t *testing.T) {
	c := newClock()
	store := &memoryStore{}
	r := newRevocations(t, store, c.now)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 1000 {
				r.RevokeToken(context.Background(), "acme", string(rune('a'+i)), testNow.Add(time.Hour), "root")
				r.Revoked(testPrincipal("alice"))
				r.Subscribe(func(Revocation) {})()
			}
		})
	}
	wg.Wait()
	if n := len(r.List("acme")); n != 1000-countInvalid() {
		t.Errorf("%d revocations", n)
	}
}

// countInvalid counts the names of TestRevocationsConcurrently that are refused.
func countInvalid() (n int) {
	for i := range 1000 {
		if !validText(string(rune('a' + i))) {
			n++
		}
	}
	return n
}
