package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/oklog/ulid/v2"

	"concord/store"
)

func soundEvent() Event {
	return Event{ID: NewID(testTime), Type: "a:b", Room: "user:alice", Time: testTime, Data: json.RawMessage(`{"a":1}`)}
}

func TestRecordRefusesInvalid(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Event)
		want   error
	}{
		"ID":               {func(e *Event) { e.ID = "1" }, ErrInvalid},
		"ID of 27":         {func(e *Event) { e.ID += "0" }, ErrInvalid},
		"no type":          {func(e *Event) { e.Type = "" }, ErrInvalid},
		"long type":        {func(e *Event) { e.Type = strings.Repeat("x", MaxType+1) }, ErrInvalid},
		"type of two":      {func(e *Event) { e.Type = "a b" }, ErrInvalid},
		"type with quotes": {func(e *Event) { e.Type = `a"` }, ErrInvalid},
		"no room":          {func(e *Event) { e.Room = "" }, ErrInvalid},
		"no user":          {func(e *Event) { e.Room = "user:" }, ErrInvalid},
		"kind of room":     {func(e *Event) { e.Room = "users:alice" }, ErrInvalid},
		"long room":        {func(e *Event) { e.Room = "user:" + strings.Repeat("x", maxName+1) }, ErrInvalid},
		"room, no UTF-8":   {func(e *Event) { e.Room = "user:\xff" }, ErrInvalid},
		"no document":      {func(e *Event) { e.Room = "document:zz" }, ErrInvalid},
		"no time":          {func(e *Event) { e.Time = time.Time{} }, ErrInvalid},
		"year 10000":       {func(e *Event) { e.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, ErrInvalid},
		"long from":        {func(e *Event) { e.From = strings.Repeat("x", maxName+1) }, ErrInvalid},
		"from, no UTF-8":   {func(e *Event) { e.From = "\xff" }, ErrInvalid},
		"no JSON":          {func(e *Event) { e.Data = json.RawMessage(`{`) }, ErrInvalid},
		"two values":       {func(e *Event) { e.Data = json.RawMessage(`1 2`) }, ErrInvalid},
		"JSON, no UTF-8":   {func(e *Event) { e.Data = json.RawMessage("\"\xff\"") }, ErrInvalid},
		"large":            {func(e *Event) { e.Data = json.RawMessage(`"` + strings.Repeat("x", MaxData-1) + `"`) }, ErrTooLarge},
	} {
		e := soundEvent()
		tt.change(&e)
		if r, err := e.Record(); !errors.Is(err, tt.want) || r.Value != nil {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	e := soundEvent()
	e.Data = json.RawMessage(`"` + strings.Repeat("x", MaxData-2) + `"`)
	if _, err := e.Record(); err != nil {
		t.Errorf("the largest event: %v", err)
	}
}

func TestRecordFillsIn(t *testing.T) {
	r, err := Event{Type: "a:b", Room: "document:" + strings.ToUpper("00000000-0000-4000-8000-00000000000a"), Time: testTime}.Record()
	if err != nil || !r.Next || r.Table != store.TableEvents {
		t.Fatalf("record: %+v, %v", r, err)
	}
	e, err := Decode(r.Value)
	if err != nil {
		t.Fatal(err)
	}
	u, err := ulid.ParseStrict(e.ID)
	if err != nil || !u.Timestamp().Equal(testTime) {
		t.Errorf("ID %s: %v", e.ID, err)
	}
	if string(e.Data) != "{}" || !strings.HasPrefix(e.Room, "document:") || len(e.Room) > 40 {
		t.Errorf("event: %+v", e)
	}
	if err := Check("acme", nil, r.Value); err != nil {
		t.Error(err)
	}
	spaced := soundEvent()
	spaced.Data = json.RawMessage(" { \"a\" :\n [ 1 ] } ")
	if r, err = spaced.Record(); err != nil || !bytes.HasSuffix(r.Value, []byte(`{"a":[1]}`)) {
		t.Errorf("record: %q, %v", r.Value, err)
	}
	if a, b := NewID(testTime), NewID(testTime); a == b {
		t.Error("two IDs are equal")
	}
	for _, at := range []time.Time{{}, time.Unix(1<<40, 0)} {
		if _, err := ulid.ParseStrict(NewID(at)); err != nil {
			t.Errorf("ID of %s: %v", at, err)
		}
	}
}

// FuzzEvent reads arbitrary records: what is read and written again is the same.
func FuzzEvent(f *testing.F) {
	for _, e := range []Event{soundEvent(), {Type: "x", Room: DocumentRoom(doc(1)), Time: testTime, From: "a", Receipts: true, Document: doc(2)}} {
		r, err := e.Record()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(r.Value)
		for _, n := range []int{0, 16, eventFixed, eventFixed + 1, len(r.Value) - 1} {
			f.Add(r.Value[:n])
		}
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		if _, ok := parseHeader(value); !ok {
			if _, err := Decode(value); err == nil {
				t.Error("an event was read whose header wasn't")
			}
			return
		}
		e, err := Decode(value)
		if err != nil {
			return
		}
		sound := Check("", numberKey(1), value) == nil
		again, err := e.encode()
		if sound != (err == nil) {
			t.Errorf("check says %v, encoding %v", sound, err)
		}
		if !sound {
			return
		}
		back, err := Decode(again)
		if err != nil {
			t.Fatal(err)
		}
		item, err := newItem([epochSize]byte{}, 1, again)
		if err != nil {
			t.Fatal(err)
		}
		var read Event
		if err := json.Unmarshal(item.JSON, &read); err != nil {
			t.Fatalf("event %q: %v", item.JSON, err)
		}
		if diff := cmp.Diff(back, &read); diff != "" {
			t.Errorf("event %q:\n%s", item.JSON, diff)
		}
		if bytes.ContainsAny(item.JSON, "\r\n") {
			t.Errorf("event %q has more than one line", item.JSON)
		}
	})
}

// FuzzCursor reads arbitrary texts: there is one text for a position.
func FuzzCursor(f *testing.F) {
	f.Add("")
	f.Add(position{[epochSize]byte{1, 2, 3, 4}, 5, 6}.String())
	f.Add(position{[epochSize]byte{255, 255, 255, 255}, 1<<64 - 1, maxTime}.String())
	f.Add("AAAAAAAAAAAAAAAAAAAAAAAAAAB")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parseCursor(s)
		if err != nil {
			if !errors.Is(err, ErrCursor) {
				t.Errorf("cursor %q: %v, want ErrCursor", s, err)
			}
			return
		}
		if p.String() != s {
			t.Errorf("cursor %q is written as %q", s, p)
		}
	})
}

// FuzzRoom reads arbitrary texts as rooms.
func FuzzRoom(f *testing.F) {
	for _, s := range []string{"user:alice", "company:a:b", DocumentRoom(doc(1)), "document:00000000-0000-4000-8000-00000000000a", "user:", ":", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		room, err := ParseRoom(s)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("room %q: %v, want ErrInvalid", s, err)
			}
			return
		}
		if again, err := ParseRoom(room.String()); err != nil || again != room {
			t.Errorf("room %q is written as %q, which is read as %+v, %v", s, room, again, err)
		}
	})
}
