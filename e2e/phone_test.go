package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/fxamacker/cbor/v2"

	"concord/internal/peer"
	"concord/internal/testkit/node"
	"concord/internal/testkit/stock"
	"concord/sync/protocol"
)

// field is one of a frame, in the order in which it is sent.
type field struct {
	key   string
	value any
}

// phone is what docs/mobile.md tells people to build: Automerge without a repo, CBOR, and a WebSocket. It says what it
// sends and hears, as the document's listings do.
type phone struct {
	t      *testing.T
	office *office
	device *stock.Device
	user   string
	sync   string // address of the endpoint
	ttl    node.Claims
	// kotlin: the token is in a header, and CBOR maps have no length, as kotlinx.serialization writes them; else it is a
	// subprotocol.
	kotlin bool

	socket      *websocket.Conn
	frames      chan []byte // closed when the socket ends
	closed      error
	server      string // peer ID
	serverHeads []string

	said   []string // since the last call of listing
	hushed bool     // what is said isn't listed
}

// newPhone makes a phone that speaks as the generation's Automerge does.
func (o *office) newPhone(user string, g stock.Generation) *phone {
	o.t.Helper()
	return &phone{
		t: o.t, office: o, user: user, sync: o.node.SyncURL(), kotlin: g == stock.V1, ttl: node.Claims{Sub: user},
		device: driver(o.t, g).Device(o.t, user),
	}
}

// listing returns what was said and heard since the last call. What a client can't count on, how often sync messages go
// to and fro, isn't in it.
func (p *phone) listing() string {
	var lines []string
	for _, line := range p.said {
		if !strings.Contains(line, "MESSAGE") || !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	p.said = nil
	return strings.Join(lines, "\n") + "\n"
}

func (p *phone) say(format string, args ...any) {
	if !p.hushed {
		p.said = append(p.said, fmt.Sprintf(format, args...))
	}
}

// names stand for what is different each time.
func (p *phone) name(v any) string {
	switch v := v.(type) {
	case []byte:
		return "MESSAGE"
	case string:
		for _, n := range []struct{ name, value string }{
			{"PHONE", p.user + "-phone"}, {"STORAGE", p.user + "-storage"}, {"SERVER-STORAGE", strings.TrimPrefix(p.server, "concord-")}, {"SERVER", p.server},
		} {
			if v == n.value {
				return n.name
			}
		}
		return fmt.Sprintf("%q", v)
	case []any:
		parts := make([]string, len(v))
		for i, x := range v {
			parts[i] = p.name(x)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		var parts []string
		keys := slices.Sorted(maps.Keys(v))
		for _, first := range []string{"documentId", "targetId", "senderId", "type"} {
			if i := slices.Index(keys, first); i >= 0 {
				keys = append([]string{first}, slices.Delete(keys, i, i+1)...)
			}
		}
		for _, k := range keys {
			parts = append(parts, k+": "+p.valueOf(k, v[k]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprint(v)
}

// valueOf is name for the value of a field.
func (p *phone) valueOf(key string, v any) string {
	switch key {
	case "documentId":
		return "DOCUMENT"
	case "token":
		return "TOKEN"
	case "expires":
		return "TIME"
	}
	return p.name(v)
}

// connect opens the WebSocket with a token that is valid, or not, and joins.
func (p *phone) connect() {
	p.t.Helper()
	p.dial()
	p.send(
		field{"type", "join"}, field{"senderId", p.user + "-phone"},
		field{"peerMetadata", map[string]any{"storageId": p.user + "-storage", "isEphemeral": false}},
		field{"supportedProtocolVersions", []any{"1"}},
	)
	m := p.next()
	p.server, _ = m["senderId"].(string)
	p.hear(m)
	if m["type"] != "peer" {
		p.t.Fatalf("answer to join: %v", m)
	}
}

func (p *phone) dial() {
	p.t.Helper()
	token := p.office.node.Token(p.ttl)
	o := &websocket.DialOptions{HTTPHeader: http.Header{}}
	if p.kotlin {
		o.HTTPHeader.Set("Authorization", "Bearer "+token)
		p.say("→ GET /v1/sync    Authorization: Bearer TOKEN")
	} else {
		o.Subprotocols = []string{"concord.v1", "bearer." + token}
		p.say("→ GET /v1/sync    Sec-WebSocket-Protocol: concord.v1, bearer.TOKEN")
	}
	socket, _, err := websocket.Dial(p.t.Context(), p.sync, o)
	if err != nil {
		p.t.Fatal(err)
	}
	socket.SetReadLimit(16 << 20)
	p.socket, p.frames = socket, make(chan []byte, 1000)
	go func(frames chan<- []byte) {
		defer close(frames)
		for {
			_, b, err := socket.Read(context.Background())
			if err != nil {
				p.closed = err
				return
			}
			frames <- b
		}
	}(p.frames)
	p.t.Cleanup(func() { socket.CloseNow() })
}

// send sends one frame; a connection that has failed meanwhile is noticed by the reader.
func (p *phone) send(fields ...field) {
	p.t.Helper()
	frame := []byte{0xa0 | byte(len(fields))}
	if p.kotlin {
		frame[0] = 0xbf
	}
	parts := make([]string, len(fields))
	for i, f := range fields {
		frame = append(append(frame, p.encode(f.key)...), p.encode(f.value)...)
		parts[i] = f.key + ": " + p.valueOf(f.key, f.value)
	}
	if p.kotlin {
		frame = append(frame, 0xff)
	}
	_ = p.socket.Write(p.t.Context(), websocket.MessageBinary, frame)
	p.say("→ {%s}", strings.Join(parts, ", "))
}

// encode returns a value in CBOR: maps and lists by their bytes when they have no length.
func (p *phone) encode(v any) []byte {
	p.t.Helper()
	var b []byte
	switch v := v.(type) {
	case map[string]any:
		if p.kotlin {
			b = append(b, 0xbf)
			for _, k := range slices.Sorted(maps.Keys(v)) {
				b = append(append(b, p.encode(k)...), p.encode(v[k])...)
			}
			return append(b, 0xff)
		}
	case []any:
		if p.kotlin {
			b = append(b, 0x9f)
			for _, x := range v {
				b = append(b, p.encode(x)...)
			}
			return append(b, 0xff)
		}
	}
	b, err := cbor.Marshal(v)
	if err != nil {
		p.t.Fatal(err)
	}
	return b
}

// try returns the next frame, or false when the connection has ended.
func (p *phone) try() (map[string]any, bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), convergeTimeout)
	defer cancel()
	select {
	case b, ok := <-p.frames:
		if !ok {
			return nil, false
		}
		var m map[string]any
		d, _ := cbor.DecOptions{DefaultMapType: reflectMap}.DecMode()
		if err := d.Unmarshal(b, &m); err != nil {
			// The library takes a message for whole that was cut where it had just read all of its buffer.
			if _, more := <-p.frames; more {
				p.t.Fatal(err)
			}
			return nil, false
		}
		return m, true
	case <-ctx.Done():
		p.t.Fatalf("nothing is heard in %v; before: %q", convergeTimeout, p.said)
		return nil, false
	}
}

// next is try for a connection that must go on.
func (p *phone) next() map[string]any {
	p.t.Helper()
	m, ok := p.try()
	if !ok {
		p.t.Fatalf("the connection has ended: %v", p.closed)
	}
	return m
}

func (p *phone) hear(m map[string]any) { p.say("← %s", p.name(m)) }

// ended waits for the end of the connection, and says with which code.
func (p *phone) ended() websocket.StatusCode {
	p.t.Helper()
	for {
		m, ok := p.try()
		if !ok {
			break
		}
		p.hear(m)
	}
	code := websocket.CloseStatus(p.closed)
	var closed websocket.CloseError
	if errors.As(p.closed, &closed) {
		p.say("← close %d %q", code, closed.Reason)
	}
	return code
}

// open asks for a document of which the phone has nothing, or goes on with one, on a new connection.
func (p *phone) open(url string, kind string) {
	p.t.Helper()
	p.device.Begin()
	p.serverHeads = nil
	p.speak(url, kind)
}

// speak sends what Automerge has to say; it reports whether that was anything.
func (p *phone) speak(url, kind string) bool {
	p.t.Helper()
	message := p.device.Generate()
	if message == nil {
		return false
	}
	p.send(field{"type", kind}, field{"senderId", p.user + "-phone"}, field{"targetId", p.server}, field{"documentId", documentOf(url)}, field{"data", message})
	return true
}

// until exchanges messages until a condition holds; it reports false when the connection has ended before.
func (p *phone) until(url string, ok func() bool) bool {
	p.t.Helper()
	for !ok() {
		m, alive := p.try()
		if !alive {
			return false
		}
		p.take(url, m)
	}
	return true
}

// take handles a frame.
func (p *phone) take(url string, m map[string]any) {
	p.t.Helper()
	p.hear(m)
	data, _ := m["data"].([]byte)
	if m["type"] != "sync" || m["documentId"] != documentOf(url) {
		return
	}
	p.device.Receive(data)
	decoded, err := protocol.Decode(data, protocol.Limits{})
	if err != nil {
		p.t.Fatal(err)
	}
	p.serverHeads = nil
	for _, h := range decoded.Heads {
		p.serverHeads = append(p.serverHeads, h.String())
	}
	slices.Sort(p.serverHeads)
	p.speak(url, "sync")
}

// safe reports whether the server has everything durably that the phone has, and the phone everything that the server has.
func (p *phone) safe() bool {
	return p.serverHeads != nil && slices.Equal(p.device.Heads(), p.serverHeads)
}

// settle waits for what the server still has to say of a document, so that the next listing doesn't begin with it: what
// is asked for later is answered later.
func (p *phone) settle(url string) {
	p.t.Helper()
	p.hushed = true
	defer func() { p.hushed = false }()
	for quiet := false; !quiet; {
		other := peer.NewDocumentID().String()
		p.send(field{"type", "request"}, field{"senderId", p.user + "-phone"}, field{"targetId", p.server}, field{"documentId", other},
			field{"data", (&protocol.Message{Version: protocol.V1}).Append(nil)})
		quiet = true
		for {
			m := p.next()
			if m["documentId"] == other {
				break
			}
			quiet = false
			p.take(url, m)
		}
	}
}

// missed asks for the events that came while the phone was away, and acknowledges them; it returns their number.
func (p *phone) missed() int {
	p.t.Helper()
	device := p.user + "-phone"
	call := func(method, path, body string, answer any) {
		if code := p.office.call(p.user, nil, method, path, body, answer); code >= 300 {
			p.t.Fatalf("%s %s: %d", method, path, code)
		}
	}
	var batch struct {
		Cursor   string
		Messages []struct{ Type string }
	}
	p.say("→ GET /v1/events/poll?device=PHONE&wait=0    Authorization: Bearer TOKEN")
	call(http.MethodGet, "/v1/events/poll?wait=0&device="+url.QueryEscape(device), "", &batch)
	p.say("← 200 {cursor: CURSOR, messages: [hello, event, …]}")
	n := 0
	for _, m := range batch.Messages {
		if m.Type == "event" {
			n++
		}
	}
	p.say("→ POST /v1/events/ack    {device: PHONE, cursor: CURSOR}")
	body, err := json.Marshal(map[string]string{"device": device, "cursor": batch.Cursor})
	if err != nil {
		p.t.Fatal(err)
	}
	call(http.MethodPost, "/v1/events/ack", string(body), nil)
	p.say("← 204")
	return n
}

// post exchanges messages by calls until the server has nothing to say.
func (p *phone) post(url string) (last int) {
	p.t.Helper()
	p.device.Begin()
	for range 10 {
		message := p.device.Generate()
		if message == nil {
			return last
		}
		req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.office.node.URL("/v1/documents/"+documentOf(url)+"/sync"), bytes.NewReader(message))
		if err != nil {
			p.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+p.office.node.Token(node.Claims{Sub: p.user}))
		req.Header.Set("Content-Type", "application/octet-stream")
		req.Header.Set("Concord-Storage-Id", p.user+"-storage")
		p.say("→ POST /v1/documents/DOCUMENT/sync    Authorization: Bearer TOKEN, Concord-Storage-Id: STORAGE, Content-Type: application/octet-stream    MESSAGE")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			p.t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			p.t.Fatal(err)
		}
		last = res.StatusCode
		switch last {
		case http.StatusOK:
			p.say("← 200 MESSAGE")
			p.device.Receive(body)
		default:
			p.say("← %d", last)
			if last != http.StatusNoContent {
				return last
			}
		}
	}
	p.t.Fatal("the server isn't silent after 10 messages")
	return last
}
