package store

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"
)

func TestAttributionsKeepEveryAppend(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	d := doc("acme", 1)
	var want []Run
	next := uint64(0)
	add := func(n int, by Attribution) {
		a := appendOf(d, next, n)
		a.By = by
		mustPut(t, s, a)
		want = append(want, Run{First: next, Count: uint64(n), Attribution: by})
		next += uint64(n)
	}
	at := testTime
	for i := range 300 { // enough for several runs of one author
		at = at.Add(time.Duration(i*i-100) * time.Millisecond) // clocks go back, too
		add(1+i%4, Attribution{User: "alice", Device: "phone", Received: at})
	}
	add(2, Attribution{User: "alice", Device: "desk", Received: at})
	add(2, Attribution{User: "bob", Device: "desk", Received: at})
	add(2, Attribution{User: "bob", Received: time.Time{}})
	add(2, Attribution{User: "desk", Device: "bob", Received: at})
	add(300, Attribution{User: "alice", Device: "phone", Received: at})
	mustPut(t, s, appendOf(doc("acme", 2), 0, 3)) // a neighbour

	read := func(from, to uint64) (list []Run) {
		t.Helper()
		err := s.Attributions(d, from, to, func(r Run) error { list = append(list, r); return nil })
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	if diff := cmp.Diff(want, read(0, math.MaxUint64)); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
	for _, from := range []uint64{0, 1, 100, 200, next - 301, next - 1, next, next + 1} {
		for _, n := range []uint64{1, 2, 150} {
			var cut []Run
			for _, r := range want {
				first, end := max(r.First, from), min(r.First+r.Count, from+n)
				if first < end {
					cut = append(cut, Run{First: first, Count: end - first, Attribution: r.Attribution})
				}
			}
			if diff := cmp.Diff(cut, read(from, from+n)); diff != "" {
				t.Errorf("runs from %d, %d changes (-want +got):\n%s", from, n, diff)
			}
		}
	}
	stop := errors.New("enough")
	if err := s.Attributions(d, 0, 1, func(Run) error { return stop }); err != stop {
		t.Errorf("error of fn came back as %v", err)
	}
	closeAndCheck(t, s, dir)
}

func TestSyncStates(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	key := SyncKey{Company: "acme", User: "alice", StorageID: "../../etc/passwd", Document: doc("", 1).Document}
	set := func(states ...SyncState) {
		t.Helper()
		if err := wait(t, func(done func(error)) error { return s.PutSyncStates(t.Context(), states, done) }); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(key SyncKey, want string) {
		t.Helper()
		got, ok, err := s.SyncState(key)
		if err != nil || ok != (want != "") || string(got) != want {
			t.Errorf("sync state of %+v: %q, %v, %v, want %q", key, got, ok, err, want)
		}
	}
	others := []SyncKey{key, key, key, key, key}
	others[0].Company = "globex"
	others[1].User = "bob"
	others[2].StorageID = "x"
	others[3].Document[3] = 1
	others[4].User, others[4].StorageID = "alice.", "./../etc/passwd"
	expect(key, "")
	set(SyncState{key, []byte("one")}, SyncState{others[1], []byte("two")})
	set(SyncState{key, []byte("three")})
	expect(key, "three")
	var all []string
	if err := s.SyncStates(DocKey{key.Company, key.Document}, func(state []byte) error {
		all = append(all, string(state))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if slices.Sort(all); !slices.Equal(all, []string{"three", "two"}) {
		t.Errorf("sync states of the document: %q", all)
	}
	for _, other := range []DocKey{{"globex", key.Document}, {"acme", others[3].Document}} {
		if err := s.SyncStates(other, func([]byte) error { return errors.New("there is none") }); err != nil {
			t.Errorf("%v: %v", other, err)
		}
	}
	expect(others[1], "two")
	for _, i := range []int{0, 2, 3, 4} {
		expect(others[i], "")
	}
	set(SyncState{SyncKey: key})
	expect(key, "")
	set()
	for _, bad := range []SyncState{{}, {SyncKey{Company: "acme", User: "alice"}, nil}, {key, make([]byte, MaxSyncState+1)}} {
		if err := s.PutSyncStates(t.Context(), []SyncState{bad}, nil); !errors.Is(err, ErrInvalid) {
			t.Errorf("put: %v, want ErrInvalid", err)
		}
	}
	closeAndCheck(t, s, dir)
}

func reject(t testing.TB, s *Store, r Rejection) {
	t.Helper()
	if err := wait(t, func(done func(error)) error { return s.PutRejection(t.Context(), r, done) }); err != nil {
		t.Fatal(err)
	}
}

func rejections(t testing.TB, s *Store, company string, limit int, before uint64) (text string) {
	t.Helper()
	list, err := s.Rejections(company, limit, before)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		if r.Company != company {
			t.Errorf("rejection of company %q for %q", r.Company, company)
		}
		text += fmt.Sprintf("%d:%s*%d ", r.Seq, r.Detail, r.Count)
	}
	return strings.TrimSpace(text)
}

func TestRejections(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{RejectionLimit: 5})
	rej := func(n byte) Rejection {
		return Rejection{
			Company: "acme", Document: doc("", n).Document, Hash: Hash{n}, User: "alice", Device: "phone",
			Reason: "seq-gap", Detail: fmt.Sprint("d", n), Last: testTime.Add(time.Duration(n) * time.Second),
		}
	}
	for n := range byte(3) {
		reject(t, s, rej(n))
	}
	again := rej(1)
	again.Last, again.User, again.Detail = testTime.Add(time.Hour), "bob", "again"
	reject(t, s, again)
	other := rej(1)
	other.Reason = "malformed"
	reject(t, s, other)
	foreign := rej(1)
	foreign.Company = "globex"
	reject(t, s, foreign)

	if got, want := rejections(t, s, "acme", 10, 0), "4:d1*1 3:d2*1 2:again*2 1:d0*1"; got != want {
		t.Errorf("rejections: %s, want %s", got, want)
	}
	if got, want := rejections(t, s, "globex", 10, 0), "1:d1*1"; got != want {
		t.Errorf("the other company's: %s, want %s", got, want)
	}
	list, _ := s.Rejections("acme", 1, 3)
	want := again
	want.Seq, want.First, want.Count = 2, rej(1).Last, 2
	if diff := cmp.Diff([]Rejection{want}, list); diff != "" {
		t.Errorf("repeated rejection (-want +got):\n%s", diff)
	}
	for n := byte(10); n < 14; n++ {
		reject(t, s, rej(n))
	}
	if got, want := rejections(t, s, "acme", 10, 0), "8:d13*1 7:d12*1 6:d11*1 5:d10*1 4:d1*1"; got != want {
		t.Errorf("after the limit: %s, want %s", got, want)
	}
	for _, tt := range []struct {
		limit  int
		before uint64
		want   string
	}{{2, 0, "8:d13*1 7:d12*1"}, {2, 7, "6:d11*1 5:d10*1"}, {5, 5, "4:d1*1"}, {5, 4, ""}, {5, 1, ""}, {1, 1000, "8:d13*1"}, {0, 0, ""}} {
		if got := rejections(t, s, "acme", tt.limit, tt.before); got != tt.want {
			t.Errorf("limit %d before %d: %s, want %s", tt.limit, tt.before, got, tt.want)
		}
	}
	if got := rejections(t, s, "nobody", 10, 0); got != "" {
		t.Errorf("unknown company: %s", got)
	}
	reject(t, s, rej(0)) // forgotten, so it is new again
	if got, want := rejections(t, s, "acme", 1, 0), "9:d0*1"; got != want {
		t.Errorf("after it was forgotten: %s, want %s", got, want)
	}
	closeAndCheck(t, s, dir)

	s = open(t, dir, Options{RejectionLimit: 2}) // a lower limit takes effect with the next one
	long := rej(40)
	long.Detail = strings.Repeat("é", maxDetail)
	reject(t, s, long)
	list, err := s.Rejections("acme", 10, 0)
	if err != nil || len(list) != 2 || list[0].Detail != strings.Repeat("é", maxDetail/2) {
		t.Errorf("after the lower limit: %d rejections, %v", len(list), err)
	}
	for _, bad := range []Rejection{{}, {Company: "acme", User: "a"}, {Company: "acme", Reason: "x"}, {Company: "acme", User: "a", Reason: strings.Repeat("x", 65)}} {
		if err := s.PutRejection(t.Context(), bad, nil); !errors.Is(err, ErrInvalid) {
			t.Errorf("put: %v, want ErrInvalid", err)
		}
	}
	closeAndCheck(t, s, dir)
}

func TestRevocations(t *testing.T) {
	dir := t.TempDir()
	now := testTime
	clock := func() time.Time { return now }
	s := open(t, dir, Options{Now: clock})
	revoke := func(r Revocation) {
		t.Helper()
		if err := wait(t, func(done func(error)) error { return s.PutRevocation(t.Context(), r, done) }); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want ...Revocation) {
		t.Helper()
		got, err := s.Revocations()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("revocations (-want +got):\n%s", diff)
		}
	}
	expect()
	token := Revocation{Company: "acme", Kind: RevokeToken, ID: "jti", At: now, Until: now.Add(time.Hour), By: "root"}
	user := Revocation{Company: "acme", Kind: RevokeUser, ID: "jti", At: now}
	foreign := Revocation{Company: "globex", Kind: RevokeUser, ID: "jti", At: now, Until: now.Add(time.Minute)}
	revoke(token)
	revoke(user)
	revoke(foreign)
	expect(token, user, foreign)
	var told []string
	if err := s.Audit("acme", 1, func(e AuditEntry) error {
		told = append(told, e.Action+" "+e.User+" "+string(e.Detail))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{`token.revoke root {"id":"jti","kind":"token"}`, `token.revoke  {"id":"jti","kind":"user"}`}, told); diff != "" {
		t.Errorf("audit log (-want +got):\n%s", diff)
	}

	token.Until = now.Add(2 * time.Hour) // replaced, with its expiry
	revoke(token)
	now = now.Add(time.Minute)
	expect(token, user)
	now = now.Add(time.Hour)
	user.At = now
	revoke(user)
	expect(token, user)
	closeAndCheck(t, s, dir)

	count := func() (n int) {
		edit(t, dir, func(tx *bbolt.Tx) { n = tx.Bucket([]byte("revocations")).Stats().KeyN })
		return n
	}
	if n := count(); n != 2 {
		t.Errorf("%d records are stored after one expired, want 2", n)
	}
	now = now.Add(time.Hour)
	s = open(t, dir, Options{Now: clock})
	expect(user)
	closeAndCheck(t, s, dir)
	if n := count(); n != 1 {
		t.Errorf("%d records are stored after opening, want 1", n)
	}
	s = open(t, dir, Options{Now: clock})
	for _, bad := range []Revocation{{}, {Company: "acme", Kind: "x", ID: "y"}, {Company: "acme", Kind: RevokeUser}} {
		if err := s.PutRevocation(t.Context(), bad, nil); !errors.Is(err, ErrInvalid) {
			t.Errorf("put: %v, want ErrInvalid", err)
		}
	}
	closeAndCheck(t, s, dir)
}
