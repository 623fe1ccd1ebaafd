package events

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"concord/store"
)

// countOf counts the records of a table.
func (n *node) countOf(company string, t store.Table) (count int) {
	n.t.Helper()
	if err := n.store.Scan(company, t, store.Range{}, func(_, _ []byte) error { count++; return nil }); err != nil {
		n.t.Error(err)
	}
	return count
}

// A device that was away for an hour misses nothing; one that was away for longer than events are kept is told.
func TestAwayForAnHourAndForADay(t *testing.T) {
	for _, memory := range []int{0, 1} {
		n := start(t, Options{Memory: memory})
		f, joined := n.join(alice, Start{})
		other, _ := n.join(Listener{Company: "acme", User: "bob"}, Start{})
		n.tell("acme", "company:acme", numbered(0, 1500)...)
		n.tell("globex", "company:globex", "of others")
		n.clock.advance(time.Hour)
		n.log.trim()
		hour, back := n.join(alice, Start{Cursor: joined.Cursor})
		if !back.Recovered {
			t.Error("not recovered after an hour")
		}
		n.expect(hour, numbered(0, 1500)...)
		n.clock.advance(22 * time.Hour)
		n.tell("acme", "company:acme", numbered(1500, 1510)...)
		n.clock.advance(2 * time.Hour)
		n.log.trim()
		if got := n.countOf("acme", store.TableEvents) + n.countOf("globex", store.TableEvents); got != 10 {
			t.Errorf("%d events are kept, want 10", got)
		}
		n.expect(hour, numbered(1500, 1510)...)
		day, gone := n.join(alice, Start{Cursor: joined.Cursor})
		if gone.Recovered {
			t.Error("recovered after a day")
		}
		n.expect(day, numbered(1500, 1510)...)
		n.silent(day)
		// The feeds that were open all the time are told on their way.
		for _, slow := range []*Feed{f, other} {
			var got []string
			gaps := 0
			for len(got) == 0 || got[len(got)-1] != "1509" {
				b, err := slow.Next(t.Context(), 7)
				if err != nil {
					t.Fatal(err)
				}
				if b.Gap {
					gaps++
				}
				for _, item := range b.Items {
					got = append(got, textOf(t, item))
				}
			}
			if gaps != 1 || !slices.Equal(got, numbered(1500, 1510)) {
				t.Errorf("slow feed: %d gaps, %q", gaps, got)
			}
			n.silent(slow)
		}
		n.reopen()
		again, gone := n.join(alice, Start{Cursor: joined.Cursor})
		if gone.Recovered {
			t.Error("recovered after a day and a restart")
		}
		n.expect(again, numbered(1500, 1510)...)
		n.clock.advance(48 * time.Hour)
		n.log.trim()
		n.tell("acme", "company:acme", "next")
		n.expect(again, "next")
		last, gone := n.join(alice, Start{Cursor: joined.Cursor})
		if gone.Recovered {
			t.Error("recovered after three days")
		}
		n.expect(last, "next")
	}
}

// A device that had everything misses nothing when all of that is gone.
func TestAwayWhileNothingHappens(t *testing.T) {
	n := start(t, Options{})
	f, _ := n.join(alice, Start{})
	n.tell("acme", "company:acme", "one")
	cursor := n.expect(f, "one")
	if err := n.log.Ack(t.Context(), alice, cursor); err != nil {
		t.Fatal(err)
	}
	n.clock.advance(72 * time.Hour)
	n.log.trim()
	for _, s := range []Start{{Cursor: cursor}, {}} {
		g, joined := n.join(alice, s)
		if !joined.Recovered {
			t.Errorf("%+v isn't recovered", s)
		}
		n.silent(g)
	}
}

// Cursors of another log, or of this one before an older copy took its place, go on by the time.
func TestCursorOfAnotherLog(t *testing.T) {
	n := start(t, Options{})
	for i := range 200 {
		n.tell("acme", "company:acme", fmt.Sprint(i))
		n.clock.advance(time.Second)
	}
	if err := n.log.put("acme", []store.Record{{Table: store.TableEvents, Key: numberKey(100)}}); err != nil {
		t.Fatal(err)
	}
	at := func(i int) int64 { return testTime.Add(time.Duration(i) * time.Second).UnixMilli() }
	for _, tt := range []struct {
		name   string
		cursor position
		want   int
	}{
		{"other log", position{[epochSize]byte{1}, 3, at(150)}, 90},
		{"other log, before all", position{[epochSize]byte{1}, 3, at(-500)}, 0},
		{"other log, after all", position{[epochSize]byte{1}, 3, at(1000)}, 200},
		{"beyond the end", position{n.log.epoch, 201, at(170)}, 110},
		{"where one is missing", position{n.log.epoch, 1000, at(160)}, 100},
	} {
		g, joined := n.join(alice, Start{Cursor: tt.cursor.String()})
		if joined.Recovered {
			t.Errorf("%s: recovered", tt.name)
		}
		want := slices.DeleteFunc(numbered(tt.want, 200), func(s string) bool { return s == "99" })
		n.expect(g, want...)
		n.silent(g)
		g.Close()
	}
}

// What has expired in the state of events goes, a part at a time, and nothing else.
func TestTrimState(t *testing.T) {
	n := start(t, Options{})
	var list []store.Record
	for i := range 12_000 {
		s := State{Kind: StateReceipt, Key: binary.BigEndian.AppendUint32(nil, uint32(i)), Body: []byte("body")}
		switch i % 3 {
		case 0:
			s.Until = testTime.Add(time.Hour)
		case 1:
			s.Until = testTime.Add(3 * time.Hour)
		}
		r := s.Record()
		back, err := ParseState(r.Key, r.Value)
		if err != nil || back.Kind != s.Kind || !bytes.Equal(back.Key, s.Key) || !back.Until.Equal(s.Until) || string(back.Body) != "body" {
			t.Fatalf("state %+v came back as %+v, %v", s, back, err)
		}
		list = append(list, r)
	}
	if err := n.log.put("acme", list); err != nil {
		t.Fatal(err)
	}
	n.clock.advance(2 * time.Hour)
	for i, want := range []int{12_000 - 1667, 12_000 - 2*1667 + 1, 8000, 8000} {
		n.log.trim()
		if got := n.countOf("acme", store.TableEventState); i == 2 && got != want || got > 12_000 || got < 8000 {
			t.Errorf("after %d rounds there are %d records, want about %d", i+1, got, want)
		}
	}
	if _, err := ParseState([]byte("r"), make([]byte, stateHeader-1)); err == nil {
		t.Error("a short record was read")
	}
}
