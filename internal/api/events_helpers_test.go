package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// told is a message of the server's, whatever carried it.
type told struct {
	Type, Cursor, ID, Device, Code, Message, Limit string
	Recovered                                      bool
	RetryAfter                                     float64
	Rooms, Presence                                []string
	Refused                                        []struct{ Room, Message string }
	Event                                          struct {
		ID, Type, Room, From, Document string
		Data                           map[string]any
	}
}

func (m *told) UnmarshalJSON(b []byte) error {
	type plain told
	var in struct {
		plain
		Code any // a text, but in a stream's close
	}
	err := json.Unmarshal(b, &in)
	*m = told(in.plain)
	if in.Code != nil {
		m.Code = fmt.Sprint(in.Code)
	}
	return err
}

// ear hears events.
type ear interface {
	// next returns the next message; an error is the end.
	next(ctx context.Context) (told, error)
}

// socketEar hears over a WebSocket.
type socketEar struct{ *websocket.Conn }

func (e socketEar) next(ctx context.Context) (m told, err error) {
	kind, b, err := e.Read(ctx)
	if err == nil && kind != websocket.MessageText {
		err = fmt.Errorf("a frame of kind %v", kind)
	}
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	return m, err
}

// streamEar hears server-sent events.
type streamEar struct {
	body  io.Closer
	lines *bufio.Reader
}

func (e streamEar) next(ctx context.Context) (m told, err error) {
	defer context.AfterFunc(ctx, func() { _ = e.body.Close() })()
	name, id := "", ""
	for {
		line, err := e.lines.ReadString('\n')
		if err != nil {
			return m, err
		}
		line = strings.TrimSuffix(line, "\n")
		field, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "" && name != "":
			if m.Type != name || m.Cursor != id && name != "error" {
				return m, fmt.Errorf("event %q with ID %q holds %+v", name, id, m)
			}
			return m, nil
		case field == "event":
			name = value
		case field == "id":
			id = value
		case field == "data":
			if err := json.Unmarshal([]byte(value), &m); err != nil {
				return m, err
			}
		}
	}
}

// pollEar hears by calls.
type pollEar struct {
	rig    *rig
	bearer string
	query  url.Values
	left   []told
	met    bool
}

func (e *pollEar) next(context.Context) (told, error) {
	for len(e.left) == 0 {
		status, _, answer := e.rig.call(http.MethodGet, "/v1/events/poll?"+e.query.Encode(), e.bearer, "")
		if status != http.StatusOK {
			return told{}, fmt.Errorf("poll: %d %v", status, answer)
		}
		b, err := json.Marshal(answer["messages"])
		if err == nil {
			err = json.Unmarshal(b, &e.left)
		}
		if err != nil || len(e.left) == 0 || e.left[0].Type != "hello" {
			return told{}, fmt.Errorf("poll: %v, %v", answer, err)
		}
		if e.met {
			e.left = e.left[1:]
		}
		e.met = true
		e.query.Set("wait", "10")
		e.query.Set("cursor", answer["cursor"].(string))
	}
	m := e.left[0]
	e.left = e.left[1:]
	return m, nil
}

// listener is one that hears events in a test.
type listener struct {
	tb testing.TB
	ear
}

// hear opens an event connection and returns it with the server's hello.
func (r *rig) hear(via, bearer, device, cursor string, rooms, types []string) (*listener, told) {
	r.tb.Helper()
	l := r.open(via, bearer, device, cursor, rooms, types)
	m := l.heard()
	if m.Type != "hello" {
		r.tb.Fatalf("%s: the first message is %+v", via, m)
	}
	return l, m
}

func (r *rig) open(via, bearer, device, cursor string, rooms, types []string) *listener {
	r.tb.Helper()
	q := url.Values{"device": {device}}
	for name, value := range map[string]string{"cursor": cursor, "rooms": strings.Join(rooms, ","), "types": strings.Join(types, ",")} {
		if value != "" {
			q.Set(name, value)
		}
	}
	l := &listener{tb: r.tb}
	switch via {
	case viaSocket:
		c := r.dial("/v1/events", bearer, websocket.DialOptions{})
		c.SetReadLimit(1 << 20)
		l.ear = socketEar{c}
		l.say(map[string]any{"type": "hello", "device": device, "cursor": cursor, "rooms": rooms, "types": types})
	case viaStream:
		req, err := http.NewRequestWithContext(r.tb.Context(), http.MethodGet, r.http.URL+"/v1/events?"+q.Encode(), nil)
		if err != nil {
			r.tb.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+bearer)
		req.Header.Set("Accept", "text/event-stream")
		res, err := r.http.Client().Do(req)
		if err != nil {
			r.tb.Fatal(err)
		}
		r.tb.Cleanup(func() { _ = res.Body.Close() })
		if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
			b, _ := io.ReadAll(res.Body)
			r.tb.Fatalf("stream: %d %v %s", res.StatusCode, res.Header, b)
		}
		l.ear = streamEar{res.Body, bufio.NewReader(res.Body)}
	default:
		q.Set("wait", "0")
		l.ear = &pollEar{rig: r, bearer: bearer, query: q}
	}
	return l
}

// say sends a message over a WebSocket.
func (l *listener) say(message any) {
	l.tb.Helper()
	b, ok := message.([]byte)
	if !ok {
		var err error
		if b, err = json.Marshal(message); err != nil {
			l.tb.Fatal(err)
		}
	}
	if err := l.ear.(socketEar).Write(l.tb.Context(), websocket.MessageText, b); err != nil {
		l.tb.Fatal(err)
	}
}

// heard returns the next message.
func (l *listener) heard() told {
	l.tb.Helper()
	ctx, cancel := context.WithTimeout(l.tb.Context(), 20*time.Second)
	defer cancel()
	m, err := l.next(ctx)
	if err != nil {
		l.tb.Fatal(err)
	}
	return m
}

// event returns the next event that isn't about presence.
func (l *listener) event() told {
	l.tb.Helper()
	for {
		switch m := l.heard(); {
		case m.Type == "cursor", strings.HasPrefix(m.Event.Type, "user:o"):
		case m.Type == "event":
			return m
		default:
			l.tb.Fatalf("heard %+v, want an event", m)
		}
	}
}

// answer returns the next message that isn't an event.
func (l *listener) answer() told {
	l.tb.Helper()
	for {
		if m := l.heard(); m.Type != "event" && m.Type != "cursor" {
			return m
		}
	}
}

// publish publishes events, and returns their IDs.
func (r *rig) publish(bearer string, list ...map[string]any) (ids []string) {
	r.tb.Helper()
	b, err := json.Marshal(map[string]any{"events": list})
	if err != nil {
		r.tb.Fatal(err)
	}
	status, _, answer := r.call(http.MethodPost, "/v1/events", bearer, string(b))
	if status != http.StatusOK {
		r.tb.Fatalf("publish: %d %v", status, answer)
	}
	for _, e := range answer["events"].([]any) {
		ids = append(ids, e.(map[string]any)["id"].(string))
	}
	return ids
}

// paid is an event of a number in a room.
func paid(room string, number int) map[string]any {
	return map[string]any{"type": "invoice:paid", "room": room, "data": map[string]any{"ref": fmt.Sprint(number), "document": docA.String()}}
}
