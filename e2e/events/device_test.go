package events

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"concord/internal/testkit/node"
)

// The ways in which events are heard.
const (
	viaSocket = "websocket"
	viaStream = "sse"
	viaPoll   = "poll"
)

var transports = []string{viaSocket, viaStream, viaPoll}

// happening is an event as a device hears it.
type happening struct {
	ID, Type, Room, From, Document string
	Data                           json.RawMessage
	cursor                         string
}

// place returns a text that grows along the log. What a cursor says is nobody's business but a test's.
func (e happening) place() string {
	b, err := base64.RawURLEncoding.DecodeString(e.cursor)
	if err != nil {
		return ""
	}
	return string(b)
}

// message is what the server says.
type message struct {
	Type, Cursor string
	Recovered    bool
	Rooms        []string
	Refused      []struct{ Room, Message string }
	Event        happening
}

// device is a device of a user that listens until its test ends.
type device struct {
	tb     testing.TB
	name   string
	claims node.Claims
	node   *node.Node
	token  string
	via    string
	rooms  []string
	socket *websocket.Conn // nil but for a WebSocket

	// onBytes is called with everything that arrives, onEvent with each event; nil = nothing is.
	onBytes func([]byte)
	onEvent func(happening)

	greeted chan message // the first hello
	cancel  context.CancelFunc
	done    chan struct{}

	mu    sync.Mutex // guards the following fields
	heard []happening
	err   error // why it has ended
}

// listen starts a device and waits until it hears.
func (d *device) listen(tb testing.TB, n *node.Node) message {
	tb.Helper()
	d.tb, d.node, d.token = tb, n, n.Token(d.claims)
	d.greeted, d.done = make(chan message, 1), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	d.cancel = cancel
	tb.Cleanup(d.stop)
	if d.via == viaSocket {
		if err := d.dial(ctx); err != nil {
			tb.Fatal(err)
		}
	}
	go func() {
		defer close(d.done)
		run := map[string]func(context.Context) error{viaSocket: d.readSocket, viaStream: d.readStream, viaPoll: d.poll}[d.via]
		err := run(ctx)
		d.mu.Lock()
		defer d.mu.Unlock()
		if ctx.Err() == nil {
			d.err = fmt.Errorf("%s: %w", d.name, err)
		}
	}()
	select {
	case m := <-d.greeted:
		return m
	case <-d.done:
		tb.Fatal(d.end())
	case <-time.After(patience):
		tb.Fatalf("%s: no hello after %v", d.name, patience)
	}
	return message{}
}

// patience is how long something may take on a busy machine.
const patience = 60 * time.Second

func (d *device) stop() {
	d.cancel()
	if d.socket != nil {
		_ = d.socket.CloseNow()
	}
	<-d.done
}

// end returns why the device hears no more; nil while it does.
func (d *device) end() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// has reports whether an event was heard.
func (d *device) has(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.heard {
		if e.ID == id {
			return true
		}
	}
	return false
}

// all returns what was heard.
func (d *device) all() []happening {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]happening(nil), d.heard...)
}

// take handles one message.
func (d *device) take(b []byte) error {
	if d.onBytes != nil {
		d.onBytes(b)
	}
	var m message
	if err := json.Unmarshal(b, &m); err != nil {
		return fmt.Errorf("%q: %w", b, err)
	}
	switch m.Type {
	case "hello":
		select {
		case d.greeted <- m:
		default:
		}
	case "event":
		m.Event.cursor = m.Cursor
		if d.onEvent != nil {
			d.onEvent(m.Event)
			return nil
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.heard = append(d.heard, m.Event)
	case "cursor", "subscribed", "unsubscribed", "pong", "token":
	default:
		return fmt.Errorf("heard %s", b)
	}
	return nil
}

func (d *device) dial(ctx context.Context) error {
	c, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(d.node.URL("/v1/events"), "http"), &websocket.DialOptions{
		HTTPHeader: http.Header{"Authorization": {"Bearer " + d.token}}, HTTPClient: httpClient,
	})
	if err != nil {
		return err
	}
	c.SetReadLimit(1 << 20)
	d.socket = c
	return d.say(map[string]any{"type": "hello", "device": d.name, "rooms": d.rooms})
}

// say sends a message over the WebSocket.
func (d *device) say(m map[string]any) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return d.socket.Write(ctx, websocket.MessageText, b)
}

func (d *device) readSocket(ctx context.Context) error {
	for {
		_, b, err := d.socket.Read(ctx)
		if err == nil {
			err = d.take(b)
		}
		if err != nil {
			return err
		}
	}
}

func (d *device) query() url.Values {
	return url.Values{"device": {d.name}, "rooms": {strings.Join(d.rooms, ",")}}
}

func (d *device) readStream(ctx context.Context) error {
	res, err := call(ctx, d.node, d.token, http.MethodGet, "/v1/events?"+d.query().Encode(), "", http.Header{"Accept": {"text/event-stream"}})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	for {
		line, err := lines.ReadBytes('\n')
		if data, ok := bytes.CutPrefix(line, []byte("data: ")); ok && err == nil {
			err = d.take(data)
		} else if d.onBytes != nil {
			d.onBytes(line)
		}
		if err != nil {
			return err
		}
	}
}

func (d *device) poll(ctx context.Context) error {
	q := d.query()
	q.Set("wait", "0")
	for {
		res, err := call(ctx, d.node, d.token, http.MethodGet, "/v1/events/poll?"+q.Encode(), "", nil)
		if err != nil {
			return err
		}
		b, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			return err
		}
		var answer struct {
			Cursor   string
			Messages []json.RawMessage
		}
		if err := json.Unmarshal(b, &answer); err != nil {
			return fmt.Errorf("%q: %w", b, err)
		}
		for _, m := range answer.Messages {
			if err := d.take(m); err != nil {
				return err
			}
		}
		q.Set("cursor", answer.Cursor)
		q.Set("wait", "20")
	}
}

// httpClient has room for many streams.
var httpClient = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}

// call makes a call; anything but success is an error.
func call(ctx context.Context, n *node.Node, token, method, path, body string, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, n.URL(path), strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := httpClient.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= 300 {
		b, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		return nil, errors.Join(fmt.Errorf("%s %s: %s %s", method, path, res.Status, b), err)
	}
	return res, nil
}
