package presence

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"concord/internal/id"
)

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestReconnectsWithinTheGraceTellNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		tracker := m.open(t, Options{})
		defer tracker.Close()
		c := tracker.Connect("acme", "ann", "phone")
		want(t, "arrival", m.take(), []string{"acme online ann 0s"})
		for range 20 {
			time.Sleep(time.Second)
			c.Close()
			time.Sleep(9 * time.Second)
			c = tracker.Connect("acme", "ann", "phone")
		}
		want(t, "flapping", m.take(), []string(nil))
		c.Close()
		time.Sleep(9 * time.Second)
		want(t, "before the grace ends", m.take(), []string(nil))
		time.Sleep(2 * time.Second)
		want(t, "after", m.take(), []string{"acme offline ann 3m30s"})
		got := tracker.List("acme", Filter{User: "ann"})
		want(t, "offline", got, []User{{User: "ann", LastSeen: moment(m.start.Add(200 * time.Second)), Devices: []Device{}, Typing: []Place{}}})
		want(t, "online", len(tracker.List("acme", Filter{})), 0)
	})
}

func TestTwoDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		tracker := m.open(t, Options{})
		defer tracker.Close()
		phone := tracker.Connect("acme", "ann", "phone")
		time.Sleep(time.Second)
		desk := tracker.Connect("acme", "ann", "desk")
		tab := tracker.Connect("acme", "ann", "desk")
		desk.Open(document(1))
		tab.Open(document(2))
		tab.Open(document(1))
		phone.Open(document(3))
		tracker.Connect("acme", "bob", "desk").Open(document(3))
		tracker.Connect("other", "ann", "desk").Open(document(1))
		seen := moment(m.start.Add(time.Second))
		ann := User{User: "ann", Online: true, LastSeen: seen, Typing: []Place{}, Devices: []Device{
			{Device: "desk", Since: seen, Documents: []id.DocumentID{document(1), document(2)}},
			{Device: "phone", Since: moment(m.start), Documents: []id.DocumentID{document(3)}},
		}}
		bob := User{User: "bob", Online: true, LastSeen: seen, Typing: []Place{}, Devices: []Device{
			{Device: "desk", Since: seen, Documents: []id.DocumentID{document(3)}},
		}}
		want(t, "all", tracker.List("acme", Filter{}), []User{ann, bob})
		want(t, "online", tracker.Online("acme"), []string{"ann", "bob"})
		want(t, "of nobody", tracker.Online("nobody"), []string{})
		want(t, "one", tracker.List("acme", Filter{User: "bob"}), []User{bob})
		want(t, "of a document", tracker.List("acme", Filter{Document: document(2)}), []User{ann})
		want(t, "of a user elsewhere", len(tracker.List("acme", Filter{Document: document(2), User: "bob"})), 0)
		want(t, "of a company that isn't", len(tracker.List("nobody", Filter{})), 0)
		m.take()

		phone.Close()
		tab.Close()
		time.Sleep(time.Minute)
		want(t, "with one connection left", m.take(), []string(nil))
		desk.Close()
		desk.Close()
		time.Sleep(time.Minute)
		want(t, "with none", m.take(), []string{"acme offline ann 1m11s"})
	})
}

func TestSilentConnectionDoesntCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		tracker := m.open(t, Options{})
		defer tracker.Close()
		c := tracker.Connect("acme", "ann", "phone")
		for range 10 {
			time.Sleep(299 * time.Second)
			c.Beat()
		}
		want(t, "with beats", m.take(), []string{"acme online ann 0s"})
		time.Sleep(301 * time.Second)
		want(t, "without", m.take(), []string{"acme offline ann 54m50s"})
		c.Open(document(1))
		want(t, "of the document", len(tracker.List("acme", Filter{Document: document(1)})), 0)
		c.Beat()
		want(t, "again", m.take(), []string{"acme online ann 54m51s"})
		want(t, "of the document", len(tracker.List("acme", Filter{Document: document(1)})), 1)
		c.Close()
		c.Beat()
		time.Sleep(11 * time.Second)
		want(t, "closed", m.take(), []string{"acme offline ann 55m1s"})
		want(t, "in memory", tracker.known(), 0)
	})
}

func TestRestartTellsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		tracker := m.open(t, Options{})
		ann := tracker.Connect("acme", "ann", "phone")
		tracker.Connect("acme", "bob", "phone")
		tracker.Connect("other", "eve", "phone")
		tracker.Connect("acme", "dan", "phone").Close()
		time.Sleep(270 * time.Second)
		tracker.Close()
		ann.Close() // as the connections end after the tracker
		time.Sleep(time.Hour)
		m.take()

		tracker = m.open(t, Options{})
		defer tracker.Close()
		before := tracker.List("acme", Filter{})
		if len(before) != 2 || before[1].User != "bob" || !before[1].LastSeen.Equal(moment(m.start.Add(270*time.Second))) {
			t.Errorf("right after the start: %+v, want ann and bob, seen last when the server was closed", before)
		}
		time.Sleep(9 * time.Second)
		tracker.Connect("acme", "ann", "phone")
		want(t, "within the grace", m.take(), []string(nil))
		time.Sleep(2 * time.Second)
		told := m.take()
		slices.Sort(told)
		want(t, "after the grace", told, []string{"acme offline bob 1h4m40s", "other offline eve 1h4m40s"})
		if list := tracker.List("acme", Filter{User: "ann"}); len(list) != 1 || !list[0].Online {
			t.Errorf("who came back: %+v", list)
		}
	})
}

func TestKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		tracker := m.open(t, Options{})
		tracker.Connect("acme", "ann", "phone")
		tracker.Connect("other", "eve", "phone")
		time.Sleep(270 * time.Second)
		m.take()
		m.setFail(true) // from here on nothing gets to the disk
		tracker.Close()
		time.Sleep(time.Hour)

		m.setFail(false)
		tracker = m.open(t, Options{})
		defer tracker.Close()
		time.Sleep(5 * time.Second)
		c := tracker.Connect("other", "eve", "phone")
		time.Sleep(10 * time.Second)
		want(t, "after the grace", m.take(), []string{"acme offline ann 1h4m40s"})
		for range 2 {
			ann := tracker.List("acme", Filter{User: "ann"})
			if len(ann) != 1 || ann[0].Online || !ann[0].LastSeen.Equal(moment(m.start.Add(4*time.Minute))) {
				t.Errorf("%+v, want seen last in the last minute before the kill", ann)
			}
			time.Sleep(time.Second)
		}
		c.Close()
		time.Sleep(11 * time.Second)
		want(t, "who came back", m.take(), []string{"other offline eve 1h4m57s"})
	})
}

func TestFailedWriteIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		tracker := m.open(t, Options{})
		defer tracker.Close()
		m.setFail(true)
		ann, bob := tracker.Connect("acme", "ann", ""), tracker.Connect("acme", "bob", "")
		time.Sleep(3500 * time.Millisecond)
		bob.Close()
		time.Sleep(10 * time.Second) // bob has come and gone, and nobody knows
		want(t, "while nothing can be written", m.take(), []string(nil))
		m.mu.Lock()
		puts := m.puts
		m.mu.Unlock()
		if puts > 20 {
			t.Errorf("%d tries in 13.5 s", puts)
		}
		m.setFail(false)
		time.Sleep(time.Second)
		want(t, "afterwards", m.take(), []string{"acme online ann 14.5s"})
		ann.Close()
		time.Sleep(11 * time.Second)
		want(t, "in the end", m.take(), []string{"acme offline ann 24.5s"})
		want(t, "companies in memory", tracker.known(), 0)
	})
}

func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		tracker := m.open(t, Options{})
		defer tracker.Close()
		running := runtime.NumGoroutine()
		device := strings.Repeat("ä", 100)
		c := tracker.Connect("acme", "ann", device)
		for i := range 1000 {
			c.Open(id.DocumentID{byte(i), byte(i >> 8)})
		}
		for i := range 300 {
			tracker.Connect("acme", "ann", fmt.Sprint("device ", i))
		}
		for i := range 1000 {
			tracker.Connect("acme", fmt.Sprint("user ", i), "desk")
		}
		synctest.Wait()
		if n := runtime.NumGoroutine(); n != running {
			t.Errorf("%d goroutines with 1,000 users, %d with none", n, running)
		}
		list := tracker.List("acme", Filter{})
		want(t, "users", len(list), 1001)
		want(t, "devices", len(list[0].Devices), 64)
		if !tracker.List("acme", Filter{Document: id.DocumentID{999 & 255, 3}})[0].Online {
			t.Error("the document that was opened last isn't known")
		}
		want(t, "the one that was opened first", len(tracker.List("acme", Filter{Document: id.DocumentID{1}})), 0)
		want(t, "documents", len(c.documents), 256)
		want(t, "room for documents", cap(c.documents) <= 512, true)
		want(t, "name of the device", c.device, strings.Repeat("ä", 64))

		for i := range maxTyping {
			if err := c.Typing(document(1), fmt.Sprint("field ", i), true); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Typing(document(1), "one more", true); !errors.Is(err, ErrBusy) {
			t.Errorf("one more field: %v", err)
		}
		for _, field := range []string{"", strings.Repeat("x", 257), "\xff"} {
			if err := c.Typing(document(1), field, true); !errors.Is(err, ErrInvalid) {
				t.Errorf("field %q: %v", field, err)
			}
		}
		time.Sleep(6 * time.Second)
		if err := c.Typing(document(1), "one more", true); err != nil {
			t.Errorf("when the others have expired: %v", err)
		}
	})
}

func TestBeatCostsLittle(t *testing.T) {
	m := newMemory()
	tracker := m.open(t, Options{})
	defer tracker.Close()
	c := tracker.Connect("acme", "ann", "phone")
	if n := testing.AllocsPerRun(100, c.Beat); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestOthersDocumentsArentShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		tracker := m.open(t, Options{})
		defer tracker.Close()
		c := tracker.Connect("acme", "ann", "desk")
		for n := byte(1); n <= 3; n++ {
			c.Open(document(n))
			if err := c.Typing(document(n), "/total", true); err != nil {
				t.Fatal(err)
			}
		}
		may := func(doc id.DocumentID) bool { return doc == document(2) }
		list := tracker.List("acme", Filter{MayOpen: may})
		want(t, "documents", list[0].Devices[0].Documents, []id.DocumentID{document(2)})
		want(t, "typing", list[0].Typing, []Place{{document(2), "/total", moment(m.start.Add(5 * time.Second))}})
		want(t, "of a document that isn't shown", len(tracker.List("acme", Filter{MayOpen: may, Document: document(1)})), 0)
		want(t, "of one that is", len(tracker.List("acme", Filter{MayOpen: may, Document: document(2)})), 1)
		c.Shut(document(2))
		c.Shut(document(2))
		want(t, "shut", len(tracker.List("acme", Filter{})[0].Devices[0].Documents), 2)
	})
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{{}, {Store: newMemory(), TTL: -1}, {Store: newMemory(), Grace: -1}, {Store: newMemory(), Expiry: -1}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
	m := newMemory()
	m.records["acme"] = map[string][]byte{"ann": []byte("{")}
	if _, err := New(Options{Store: m}); err == nil || !strings.Contains(err.Error(), "acme") {
		t.Errorf("a record that can't be read: %v", err)
	}
}
