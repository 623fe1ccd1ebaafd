package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"concord/events"
	"concord/internal/auth"
	"concord/internal/id"
	"concord/internal/limit"
	"concord/store"
	"concord/sync/wire"
)

// wantClosed reads until the server closes.
func (l *listener) wantClosed(code wire.CloseCode) {
	l.tb.Helper()
	for {
		ctx, cancel := context.WithTimeout(l.tb.Context(), 20*time.Second)
		m, err := l.next(ctx)
		cancel()
		var ce websocket.CloseError
		switch {
		case err == nil && m.Type == "close":
			if m.Code != fmt.Sprint(code) || m.Message == "" {
				l.tb.Errorf("closed with %s %q, want %d and a reason", m.Code, m.Message, code)
			}
			return
		case err == nil:
		case asClose(err, &ce):
			if ce.Code != websocket.StatusCode(code) || ce.Reason == "" {
				l.tb.Errorf("closed with %d %q, want %d and a reason", ce.Code, ce.Reason, code)
			}
			return
		default:
			l.tb.Fatalf("the connection ended without a reason: %v", err)
		}
	}
}

func TestEventSocketRefusesWhatIsNoMessage(t *testing.T) {
	r := newRig(t, settings{handshake: 300 * time.Millisecond})
	bearer := token(t, "acme", "alice", auth.RoleViewer)
	text, binary := websocket.MessageText, websocket.MessageBinary
	for name, c := range map[string]struct {
		kind  websocket.MessageType
		frame string
		early bool // before the hello
		code  wire.CloseCode
	}{
		"binary":            {binary, `{"type":"ping"}`, false, wire.CloseMalformed},
		"no JSON":           {text, `{"type":`, false, wire.CloseMalformed},
		"empty":             {text, ``, false, wire.CloseMalformed},
		"a list":            {text, `[]`, false, wire.CloseMalformed},
		"no type":           {text, `{"id":"1"}`, false, wire.CloseMalformed},
		"type is a number":  {text, `{"type":1}`, false, wire.CloseMalformed},
		"two values":        {text, `{"type":"ping"}{"type":"ping"}`, false, wire.CloseMalformed},
		"no UTF-8":          {text, "{\"type\":\"ping\",\"id\":\"\xff\"}", false, wire.CloseMalformed},
		"nested deeply":     {text, `{"type":"ping","id":` + strings.Repeat("[", 12_000), false, wire.CloseMalformed},
		"large":             {text, `{"type":"ping","id":"` + strings.Repeat("x", maxEventMessage) + `"}`, false, wire.CloseTooLarge},
		"no hello":          {text, `{"type":"ping"}`, true, wire.CloseMalformed},
		"unknown hello":     {text, `{"type":"hi"}`, true, wire.CloseMalformed},
		"hello, no device":  {text, `{"type":"hello"}`, true, wire.CloseMalformed},
		"hello, long name":  {text, `{"type":"hello","device":"` + strings.Repeat("x", 129) + `"}`, true, wire.CloseMalformed},
		"hello, bad cursor": {text, `{"type":"hello","device":"d","cursor":"x"}`, true, wire.CloseMalformed},
		"hello, bad types":  {text, `{"type":"hello","device":"d","types":["*x"]}`, true, wire.CloseMalformed},
		"hello, room":       {text, `{"type":"hello","device":"d","room":"user:alice"}`, true, wire.CloseMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			conn := r.dial("/v1/events", bearer, websocket.DialOptions{})
			l := &listener{t, socketEar{conn}}
			if !c.early {
				l.say(map[string]any{"type": "hello", "device": "d"})
				l.heard()
			}
			// The server may close before it has taken all of a large frame.
			_ = conn.Write(t.Context(), c.kind, []byte(c.frame))
			l.wantClosed(c.code)
		})
	}
	t.Run("silent", func(t *testing.T) {
		l := &listener{t, socketEar{r.dial("/v1/events", bearer, websocket.DialOptions{})}}
		l.wantClosed(wire.CloseHandshake)
	})
	t.Run("no token", func(t *testing.T) {
		l := &listener{t, socketEar{r.dial("/v1/events", "", websocket.DialOptions{})}}
		l.wantClosed(wire.CloseUnauthenticated)
	})
	waitFor(t, "nobody is left", func() bool { return r.api.audience.count(transports...) == 0 })
}

// What is wrong with one message is told, and the connection goes on.
func TestEventSocketTellsWhatIsWrong(t *testing.T) {
	r := newRig(t, settings{})
	other := docB.String()
	bearer := signed(t, auth.Claims{Company: "acme", Subject: "alice", Role: auth.RoleViewer, Docs: []string{docA.String()}, Expires: time.Now().Add(time.Hour)})
	l, hello := r.hear(viaSocket, bearer, "d", "", nil, nil)
	many := func(n int, text string) string { return `["` + strings.Repeat(text+`","`, n-1) + text + `"]` }
	for _, c := range []struct{ message, id, code, says string }{
		{`{"type":"dance","id":"7"}`, "7", codeUnknownType, "dance"},
		{`{"type":"hello","device":"d"}`, "", codeMalformed, "already"},
		{`{"type":"subscribe","id":"a"}`, "a", codeMalformed, "rooms"},
		{`{"type":"subscribe","id":"b","rooms":"company:acme"}`, "b", codeMalformed, "rooms"},
		{`{"type":"subscribe","id":"b","room":["company:acme"]}`, "b", codeMalformed, "room"},
		{`{"type":"subscribe","rooms":` + many(1001, "x") + `}`, "", codeMalformed, "1001"},
		{`{"type":"unsubscribe","rooms":[]}`, "", codeMalformed, "rooms"},
		{`{"type":"ping","id":"` + strings.Repeat("x", 129) + `"}`, "", codeMalformed, "129"},
		{`{"type":"ping","id":7}`, "", codeMalformed, "id"},
		{`{"type":"ack"}`, "", codeMalformed, "cursor"},
		{`{"type":"ack","cursor":"x"}`, "", codeMalformed, "cursor"},
		{`{"type":"read","id":"r","ids":[]}`, "r", codeMalformed, "ids"},
		{`{"type":"read","id":"r","ids":["x"]}`, "r", codeMalformed, "ID"},
		{`{"type":"read","ids":` + many(1001, "x") + `}`, "", codeMalformed, "1001"},
		{`{"type":"typing","document":"x","field":"f","active":true}`, "", codeMalformed, "document ID"},
		{`{"type":"typing","field":"f","active":true}`, "", codeMalformed, "document"},
		{`{"type":"typing","document":"` + other + `","field":"f","active":true}`, "", codeForbidden, other},
		{`{"type":"typing","document":"` + docA.String() + `","field":"` + strings.Repeat("f", 257) + `","active":true}`, "", codeMalformed, "256"},
		{`{"type":"view","documents":["` + other + `"]}`, "", codeForbidden, other},
		{`{"type":"view","documents":` + many(257, "x") + `}`, "", codeMalformed, "257"},
		{`{"type":"token","token":"nonsense"}`, "", codeForbidden, ""},
		{`{"type":"token"}`, "", codeMalformed, "token"},
	} {
		l.say([]byte(c.message))
		if m := l.answer(); m.Type != "error" || m.ID != c.id || m.Code != c.code || !strings.Contains(m.Message, c.says) {
			t.Errorf("%.80s: answered with %+v", c.message, m)
		}
	}
	l.say(map[string]any{"type": "ping", "id": "still here"})
	if m := l.answer(); m.Type != "pong" || m.ID != "still here" {
		t.Errorf("ping: %+v", m)
	}
	if hello.Recovered == false {
		t.Error("nothing was missed")
	}
}

var docB = id.DocumentID{0: 0xb, 15: 1}

func TestRoomsOfAConnection(t *testing.T) {
	r := newRig(t, settings{})
	erp := token(t, "acme", "erp", auth.RoleService)
	a, b := r.document(erp, "7"), r.document(erp, "8")
	roomA, roomB := "document:"+a, "document:"+b
	bearer := signed(t, auth.Claims{Company: "acme", Subject: "alice", Role: auth.RoleViewer, Docs: []string{a}, Expires: time.Now().Add(time.Hour)})
	l, hello := r.hear(viaSocket, bearer, "d", "", []string{roomB, "company:globex", "user:bob", "nonsense"}, nil)
	if len(hello.Refused) != 4 || len(hello.Rooms) != 2 {
		t.Errorf("hello: %+v", hello)
	}
	l.say(map[string]any{"type": "subscribe", "id": "1", "rooms": []string{roomA, roomB}})
	if m := l.answer(); m.Type != "subscribed" || m.ID != "1" || !slices.Equal(m.Rooms, []string{roomA}) || len(m.Refused) != 1 || m.Refused[0].Room != roomB {
		t.Errorf("subscribed: %+v", m)
	}
	r.publish(erp, paid(roomB, 1), paid(roomA, 2), map[string]any{"type": "invoice:paid", "room": "company:acme", "document": b}, paid("company:acme", 3))
	for _, want := range []string{"2", "3"} {
		if m := l.event(); m.Event.Data["ref"] != want {
			t.Errorf("heard %+v, want %s", m, want)
		}
	}
	l.say(map[string]any{"type": "unsubscribe", "id": "2", "rooms": []string{roomA}})
	if m := l.answer(); m.Type != "unsubscribed" || m.ID != "2" || !slices.Equal(m.Rooms, []string{roomA}) {
		t.Errorf("unsubscribed: %+v", m)
	}
	r.publish(erp, paid(roomA, 4), paid("user:alice", 5))
	if m := l.event(); m.Event.Data["ref"] != "5" {
		t.Errorf("heard %+v", m)
	}
}

// document makes a document and returns its ID.
func (r *rig) document(bearer, ref string) string {
	r.tb.Helper()
	status, _, answer := r.call(http.MethodPut, "/v1/documents/invoice/"+ref, bearer, `{"content":{"total":1}}`)
	if status != http.StatusCreated {
		r.tb.Fatalf("%d %v", status, answer)
	}
	return answer["id"].(string)
}

// A device without a cursor goes on after what it has acknowledged, by whatever way.
func TestAcknowledgedEventsDontComeAgain(t *testing.T) {
	r := newRig(t, settings{})
	erp, bearer := token(t, "acme", "erp", auth.RoleService), token(t, "acme", "alice", auth.RoleViewer)
	l, _ := r.hear(viaSocket, bearer, "d", "", nil, nil)
	r.publish(erp, paid("user:alice", 1), paid("user:alice", 2), paid("user:alice", 3))
	first := l.event()
	l.say(map[string]any{"type": "ack", "cursor": first.Cursor})
	l.say(map[string]any{"type": "ping"})
	l.answer() // what was said before has been done
	l, _ = r.hear(viaSocket, bearer, "d", "", nil, nil)
	second := l.event()
	if second.Event.Data["ref"] != "2" {
		t.Errorf("after an ack: %+v", second)
	}
	if status, _, answer := r.call("POST", "/v1/events/ack", bearer, fmt.Sprintf(`{"device":"d","cursor":%q}`, second.Cursor)); status != http.StatusNoContent {
		t.Fatalf("%d %v", status, answer)
	}
	l, _ = r.hear(viaStream, bearer, "d", "", nil, nil)
	if m := l.event(); m.Event.Data["ref"] != "3" {
		t.Errorf("after two: %+v", m)
	}
	l, _ = r.hear(viaPoll, bearer, "another", "", nil, nil)
	r.publish(erp, paid("user:alice", 4))
	if m := l.event(); m.Event.Data["ref"] != "4" {
		t.Errorf("another device: %+v", m)
	}
}

func TestEventConnectionsEnd(t *testing.T) {
	for _, via := range []string{viaSocket, viaStream} {
		t.Run(via+"/expired", func(t *testing.T) {
			r := newRig(t, settings{})
			late := signed(t, auth.Claims{Company: "acme", Subject: "alice", Role: auth.RoleEditor, IssuedAt: time.Now().Add(-time.Hour), Expires: time.Now().Add(-28 * time.Second)})
			r.hearer(via, late).wantClosed(wire.CloseUnauthenticated)
		})
		t.Run(via+"/revoked", func(t *testing.T) {
			r := newRig(t, settings{})
			bearer := token(t, "acme", "alice", auth.RoleEditor)
			l, bystander := r.hearer(via, bearer), r.hearer(viaSocket, token(t, "acme", "bob", auth.RoleEditor))
			r.call("POST", "/v1/revocations", token(t, "acme", "carol", auth.RoleAdmin), `{"kind":"user","id":"alice"}`)
			l.wantClosed(wire.CloseUnauthenticated)
			bystander.say(map[string]any{"type": "ping"})
			if m := bystander.answer(); m.Type != "pong" {
				t.Errorf("%+v", m)
			}
		})
		t.Run(via+"/drained", func(t *testing.T) {
			r := newRig(t, settings{})
			bearer := token(t, "acme", "alice", auth.RoleEditor)
			l := r.hearer(via, bearer)
			drained := make(chan error, 1)
			go func() { drained <- r.api.Drain(t.Context()) }()
			l.wantClosed(wire.CloseRestarting)
			if err := <-drained; err != nil {
				t.Fatal(err)
			}
			late := &listener{t, socketEar{r.dial("/v1/events", bearer, websocket.DialOptions{})}}
			late.wantClosed(wire.CloseRestarting)
			if status, header, _ := r.call("GET", "/v1/events/poll", bearer, ""); status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
				t.Errorf("poll: %d %v", status, header)
			}
		})
	}
	t.Run("a poll that waits", func(t *testing.T) {
		r := newRig(t, settings{})
		bearer := token(t, "acme", "alice", auth.RoleEditor)
		done := make(chan int, 1)
		go func() {
			status, _, _ := r.call("GET", "/v1/events/poll?wait=60", bearer, "")
			done <- status
		}()
		waitFor(t, "the poll", func() bool { return r.api.audience.count(viaPoll) == 1 })
		if err := r.api.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if status := <-done; status != http.StatusServiceUnavailable {
			t.Errorf("answered with %d", status)
		}
	})
}

func TestTokenIsRefreshedOnAnEventConnection(t *testing.T) {
	r := newRig(t, settings{})
	claims := auth.Claims{Company: "acme", Subject: "alice", Role: auth.RoleEditor, IssuedAt: time.Now().Add(-time.Hour), Expires: time.Now().Add(-27 * time.Second)}
	l := r.hearer(viaSocket, signed(t, claims))
	stranger := claims
	stranger.Subject, stranger.Expires = "bob", time.Now().Add(time.Hour)
	l.say(map[string]any{"type": "token", "token": signed(t, stranger)})
	if m := l.answer(); m.Type != "error" || m.Code != codeForbidden {
		t.Errorf("another user's token: %+v", m)
	}
	claims.Expires = time.Now().Add(time.Hour)
	l.say(map[string]any{"type": "token", "token": signed(t, claims)})
	if m := l.answer(); m.Type != "token" {
		t.Errorf("a fresh token: %+v", m)
	}
	time.Sleep(4 * time.Second) // the first one has expired
	l.say(map[string]any{"type": "ping"})
	if m := l.answer(); m.Type != "pong" {
		t.Errorf("%+v", m)
	}
	claims.Role = auth.RoleAdmin
	l.say(map[string]any{"type": "token", "token": signed(t, claims)})
	l.wantClosed(wire.CloseTryLater)
}

func TestTicketsOpenEventConnections(t *testing.T) {
	r := newRig(t, settings{})
	ticket := func() string {
		_, _, answer := r.call("POST", "/v1/tickets", token(t, "acme", "alice", auth.RoleViewer), "")
		return answer["ticket"].(string)
	}
	l := &listener{t, socketEar{r.dial("/v1/events?ticket="+ticket(), "", websocket.DialOptions{})}}
	l.say(map[string]any{"type": "hello", "device": "d"})
	if m := l.heard(); m.Type != "hello" {
		t.Errorf("%+v", m)
	}
	once := ticket()
	for _, want := range []int{http.StatusOK, http.StatusUnauthorized} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.http.URL+"/v1/events?device=d&ticket="+once, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/event-stream")
		res, err := r.http.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("stream with a ticket: %d, want %d", res.StatusCode, want)
		}
	}
	if status, _, _ := r.call("GET", "/v1/events/poll?ticket="+ticket(), "", ""); status < 400 {
		t.Errorf("poll with a ticket: %d", status)
	}
}

func TestEventLimits(t *testing.T) {
	r := newRig(t, settings{limits: EventLimits{
		Messages:  limit.New("messages", limit.Rates{Connection: 2}),
		Publishes: limit.New("published events", limit.Rates{User: 2}),
		Typing:    limit.New("typing messages", limit.Rates{User: 1}),
	}})
	erp := token(t, "acme", "erp", auth.RoleService)
	l := r.hearer(viaSocket, erp)
	var limited told
	for range 30 {
		l.say(map[string]any{"type": "ping"})
		if limited = l.answer(); limited.Type == "error" {
			break
		}
	}
	if limited.Code != codeRateLimited || limited.Limit == "" || limited.RetryAfter <= 0 || !strings.Contains(limited.Message, limited.Limit) {
		t.Errorf("too many messages: %+v", limited)
	}
	var status int
	var header http.Header
	var answer map[string]any
	for i := 0; i < 30 && status != http.StatusTooManyRequests; i++ {
		status, header, answer = r.call("POST", "/v1/events", erp, `{"events":[{"type":"invoice:paid","room":"company:acme"}]}`)
	}
	if status != http.StatusTooManyRequests || header.Get("Retry-After") == "" || !strings.Contains(fmt.Sprint(answer["detail"]), "published events") {
		t.Errorf("too many events: %d %v %v", status, header, answer)
	}
	for i := 0; i < 30 && status != http.StatusNoContent; i++ {
		status, _, _ = r.call("POST", "/v1/events/typing", erp, fmt.Sprintf(`{"document":%q,"field":"f","active":true}`, docA))
	}
	for i := 0; i < 30 && status != http.StatusTooManyRequests; i++ {
		status, _, answer = r.call("POST", "/v1/events/typing", erp, fmt.Sprintf(`{"document":%q,"field":"f","active":true}`, docA))
	}
	if status != http.StatusTooManyRequests || !strings.Contains(fmt.Sprint(answer["detail"]), "typing") {
		t.Errorf("too much typing: %d %v", status, answer)
	}
}

func TestEventConnectionsCountForTheirAddress(t *testing.T) {
	for _, via := range []string{viaSocket, viaStream} {
		t.Run(via, func(t *testing.T) {
			r := newRig(t, settings{perIP: 2})
			bearer := token(t, "acme", "alice", auth.RoleViewer)
			r.hearer(via, bearer)
			r.join(token(t, "acme", "alice", auth.RoleEditor), "peer")
			(&listener{t, socketEar{r.dial("/v1/events", bearer, websocket.DialOptions{})}}).wantClosed(wire.CloseTooMany)
			if status, header, _ := r.call("GET", "/v1/events/poll?wait=0", bearer, ""); status != http.StatusTooManyRequests || header.Get("Retry-After") == "" {
				t.Errorf("poll: %d %v", status, header)
			}
			_, _, health := r.call("GET", "/health/websocket", "", "")
			if health["connectedClients"] != float64(2) {
				t.Errorf("health: %v", health)
			}
			if text := r.body("/metrics"); !strings.Contains(text, `concord_event_connections{transport="`+via+`"} 1`) {
				t.Errorf("metrics:\n%s", text)
			}
		})
	}
}

// A client that takes nothing costs a connection, not memory: it is told to come back.
func TestSlowListenerIsClosed(t *testing.T) {
	r := newRig(t, settings{writeTimeout: 200 * time.Millisecond})
	erp, bearer := token(t, "acme", "erp", auth.RoleService), token(t, "acme", "alice", auth.RoleViewer)
	for _, via := range []string{viaSocket, viaStream} {
		r.hearer(via, bearer) // hears no more
	}
	big := map[string]any{"type": "invoice:paid", "room": "company:acme", "data": map[string]any{"customer": strings.Repeat("x", 60_000)}}
	list := slices.Repeat([]map[string]any{big}, 100)
	waitFor(t, "both are gone", func() bool {
		r.publish(erp, list...)
		return r.api.audience.count(transports...) == 0
	})
	if r.api.audience.closings()[wire.CloseTryLater] == 0 {
		t.Errorf("closed with %v", r.api.audience.closings())
	}
}

func TestEventsWithoutAWay(t *testing.T) {
	r := newRig(t, settings{})
	bearer := token(t, "acme", "alice", auth.RoleViewer)
	status, header, answer := r.call("GET", "/v1/events", bearer, "")
	if status != http.StatusNotAcceptable || header.Get("Content-Type") != "application/problem+json" || answer["detail"] == "" {
		t.Errorf("%d %v %v", status, header, answer)
	}
	for path, want := range map[string]int{
		"/v1/events/poll?cursor=x": 422, "/v1/events/poll?types=*x": 422, "/v1/events/poll?room=x": 422, "/v1/events/poll?wait=61": 422,
		"/v1/events/schema/nothing:here": 404, "/v1/events/schema/receipts": 404, "/v1/events/01KATW8N5Q0R6Y3V9B2C4D7E8F/receipts": 404, "/v1/events/01KATW8N5Q0R6Y3V9B2C4D7E8F/other": 404,
	} {
		if status, header, _ := r.call("GET", path, bearer, ""); status != want || header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %v, want %d", path, status, header, want)
		}
	}
	for query, want := range map[string]int{"": 401, "?cursor=x": 422, "?room=x": 422, "?device=" + strings.Repeat("x", 129): 422, "?types=*x": 422} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.http.URL+"/v1/events"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/event-stream")
		if query != "" {
			req.Header.Set("Authorization", "Bearer "+bearer)
		}
		res, err := r.http.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want || res.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("stream%s: %d %v, want %d", query, res.StatusCode, res.Header, want)
		}
	}
}

// clock stands still until it is told.
type clock struct{ ns atomic.Int64 }

func (c *clock) now() time.Time { return time.Unix(0, c.ns.Load()) }

func (c *clock) pass(d time.Duration) { c.ns.Add(int64(d)) }

// An hour offline is made up for; after more than a day the gap is told. The day
// passes in seconds, since nobody trims a log more often than a day has minutes.
func TestTimeOffline(t *testing.T) {
	for _, via := range transports {
		for _, hours := range []int{1, 25} {
			t.Run(fmt.Sprintf("%s/%dh", via, hours), func(t *testing.T) {
				const hour = 100 * time.Millisecond
				long := hours > 24
				clock := new(clock)
				clock.pass(time.Duration(time.Now().UnixNano()))
				r := newRig(t, settings{events: events.Options{TTL: 24 * hour, Now: clock.now}})
				erp, bearer := token(t, "acme", "erp", auth.RoleService), token(t, "acme", "alice", auth.RoleViewer)
				l := r.hearer(viaSocket, bearer)
				r.publish(erp, paid("user:alice", 0))
				last := l.event()
				l.ear.(socketEar).CloseNow()
				for i := range 20 {
					r.publish(erp, paid("user:alice", i+1))
				}
				clock.pass(time.Duration(hours) * hour)
				if long {
					waitFor(t, "the old events are gone", func() bool {
						n := 0
						err := r.store.Scan("acme", store.TableEvents, store.Range{}, func(_, value []byte) error {
							if e, err := events.Decode(value); err == nil && e.Type == "invoice:paid" {
								n++
							}
							return nil
						})
						return err == nil && n == 0
					})
				}
				r.publish(erp, paid("user:alice", 21))
				again, hello := r.hear(via, bearer, "d", last.Cursor, nil, nil)
				if hello.Recovered == long {
					t.Errorf("hello: %+v", hello)
				}
				first := 1
				if long {
					first = 21
				}
				for i := first; i <= 21; i++ {
					if m := again.event(); m.Event.Data["ref"] != fmt.Sprint(i) {
						t.Fatalf("heard %+v, want %d", m, i)
					}
				}
			})
		}
	}
}
