package api

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"concord/conflict"
	"concord/conflict/guard"
	"concord/events"
	"concord/internal/auth"
	"concord/internal/documents"
	"concord/internal/id"
	"concord/presence"
	"concord/store"
	"concord/sync/hub"
	"concord/sync/wire"
)

var secret = []byte("0123456789abcdef0123456789abcdef")

var docA = id.DocumentID{0: 0xa, 15: 1}

// savedRevocations keeps revocations in a store, as the server does.
type savedRevocations struct{ store *store.Store }

func (s savedRevocations) Load() ([]auth.Revocation, error) {
	stored, err := s.store.Revocations()
	var all []auth.Revocation
	for _, r := range stored {
		all = append(all, auth.Revocation{Company: r.Company, Kind: auth.RevocationKind(r.Kind), ID: r.ID, At: r.At, Until: r.Until, By: r.By})
	}
	return all, err
}

func (s savedRevocations) Save(ctx context.Context, r auth.Revocation) error {
	done := make(chan error, 1)
	if err := s.store.PutRevocation(ctx, store.Revocation{
		Company: r.Company, Kind: store.RevocationKind(r.Kind), ID: r.ID, At: r.At, Until: r.Until, By: r.By,
	}, func(err error) { done <- err }); err != nil {
		return err
	}
	return <-done
}

// presentUsers keeps presence in a store, as the server does.
type presentUsers struct{ store *store.Store }

func (s presentUsers) Companies() ([]string, error) { return s.store.Companies() }

func (s presentUsers) Each(company string, fn func(key string, value []byte) error) error {
	return s.store.Scan(company, store.TablePresence, store.Range{}, func(key, value []byte) error { return fn(string(key), value[16:]) })
}

func (s presentUsers) Get(company, key string) ([]byte, bool, error) {
	value, ok, err := s.store.Get(company, store.TablePresence, []byte(key))
	if err != nil || !ok {
		return nil, false, err
	}
	return value[16:], true, nil
}

func (s presentUsers) Put(ctx context.Context, company string, records []presence.Record, told []presence.Event, done func(error)) error {
	var list []store.Record
	for _, r := range records {
		list = append(list, store.Record{Table: store.TablePresence, Key: []byte(r.Key), Value: append(make([]byte, 16), r.Value...)})
	}
	for _, e := range told {
		r, err := events.Event{Type: e.Type, Room: events.CompanyRoom(company), Time: e.Time, From: e.User, Data: e.Data}.Record()
		if err != nil {
			return err
		}
		list = append(list, r)
	}
	return s.store.Put(ctx, company, list, nil, done)
}

// typing tells those in a document's room who types there.
func (r *rig) typing(company string, t presence.Typing) {
	data, err := json.Marshal(t)
	if err != nil {
		r.tb.Error(err)
	}
	r.log.Send(company, events.Event{Type: "user:typing", Room: events.DocumentRoom(t.Document), From: t.User, Data: data, Document: t.Document})
}

// exampleRules are the rules under which the examples of proposals are made.
const exampleRules = `
guards:
  - name: approved orders are final
    type: order
    when: /approved == true
    lock: [/total]
    except: {roles: [admin]}
`

// settings are what tests vary.
type settings struct {
	dir                       string // "" = a new one
	perIP, maxMessage         int
	pingInterval, pingTimeout time.Duration
	handshake                 time.Duration
	origins                   []string
	proxies                   []string
	events                    events.Options
	limits                    EventLimits
	grace                     time.Duration // of presence
	writeTimeout              time.Duration
	logger                    *slog.Logger
}

// rig is a server over httptest with a real store and hub.
type rig struct {
	tb    testing.TB
	dir   string
	store *store.Store
	log   *events.Log
	users *presence.Tracker
	hub   *hub.Hub
	api   *Server
	http  *httptest.Server
}

func newRig(tb testing.TB, s settings) *rig {
	tb.Helper()
	r := &rig{tb: tb, dir: s.dir}
	if r.dir == "" {
		r.dir = tb.TempDir()
	}
	must := func(err error) {
		if err != nil {
			tb.Helper()
			tb.Fatal(err)
		}
	}
	if s.pingInterval == 0 {
		s.pingInterval, s.pingTimeout = time.Hour, time.Hour
	}
	origins, err := auth.ParseOrigins(s.origins)
	must(err)
	proxies, err := auth.ParseProxies(s.proxies)
	must(err)
	r.store, err = store.Open(r.dir, store.Options{OnNumbered: func(company string, t store.Table, first uint64, values [][]byte) {
		if r.log != nil {
			r.log.Numbered(company, t, first, values)
		}
	}})
	must(err)
	s.events.Catalogue, err = events.NewCatalogue(nil)
	must(err)
	s.events.Logger = s.logger
	r.log, err = events.Open(r.store, s.events)
	must(err)
	r.users, err = presence.New(presence.Options{Store: presentUsers{r.store}, Grace: s.grace, Typing: r.typing})
	must(err)
	revocations, err := auth.NewRevocations(savedRevocations{r.store}, nil)
	must(err)
	verifier, err := auth.New(tb.Context(), auth.Options{Secret: secret, Revocations: revocations})
	must(err)
	ledger := conflict.New(r.store)
	rules, err := guard.Parse("rules.yaml", []byte(exampleRules))
	must(err)
	guards := guard.New(rules)
	r.hub, err = hub.New(r.store, hub.Options{Ledger: ledger, Guards: guards, MaxMessage: s.maxMessage, HandshakeTimeout: s.handshake, Revoked: Revoked(revocations)})
	must(err)
	r.api = New(Options{
		Hub: r.hub, Store: r.store, Documents: documents.New(r.hub, r.store, documents.Options{}), MaxMessage: s.maxMessage,
		Events: r.log, Catalogue: s.events.Catalogue, EventLimits: s.limits, Presence: r.users, HandshakeTimeout: s.handshake, WriteTimeout: s.writeTimeout,
		Conflicts: ledger, Resolver: conflict.NewResolver(ledger, r.hub, nil), Proposals: guard.NewProposals(guards, ledger, r.hub, nil),
		Authenticator: auth.Authenticator{Verifier: verifier, Tickets: auth.NewTickets(auth.TicketOptions{Revocations: revocations})},
		Revocations:   revocations, Origins: origins, Proxies: proxies, Connections: auth.NewConnLimiter(s.perIP),
		PingInterval: s.pingInterval, PingTimeout: s.pingTimeout, Version: "test", Logger: s.logger,
	})
	r.http = httptest.NewServer(r.api.Handler())
	tb.Cleanup(r.stop)
	return r
}

// stop may be called before the test's end, to open the data folder again.
func (r *rig) stop() {
	if r.hub == nil {
		return
	}
	r.users.Close()
	if err := r.api.Drain(context.Background()); err != nil {
		r.tb.Error(err)
	}
	r.hub.Close()
	r.http.Client().CloseIdleConnections()
	r.http.Close()
	r.log.Close()
	if err := r.store.Close(); err != nil {
		r.tb.Error(err)
	}
	r.hub = nil
}

func token(tb testing.TB, company, user string, role auth.Role) string {
	tb.Helper()
	return signed(tb, auth.Claims{Company: company, Subject: user, Role: role, ID: user + "-token", Expires: time.Now().Add(time.Hour)})
}

func signed(tb testing.TB, c auth.Claims) string {
	tb.Helper()
	t, err := auth.Sign(secret, c)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// call makes a request and decodes the JSON of its answer.
func (r *rig) call(method, path, bearer, body string) (status int, header http.Header, answer map[string]any) {
	r.tb.Helper()
	req, err := http.NewRequestWithContext(r.tb.Context(), method, r.http.URL+path, strings.NewReader(body))
	if err != nil {
		r.tb.Fatal(err)
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := r.http.Client().Do(req)
	if err != nil {
		r.tb.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		r.tb.Fatal(err)
	}
	if strings.Contains(res.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(raw, &answer); err != nil {
			r.tb.Fatalf("%s: %v", raw, err)
		}
	}
	return res.StatusCode, res.Header, answer
}

// dial opens a WebSocket, with a token in the header unless it is "".
func (r *rig) dial(path, bearer string, o websocket.DialOptions) *websocket.Conn {
	r.tb.Helper()
	if o.HTTPHeader == nil {
		o.HTTPHeader = http.Header{}
	}
	if bearer != "" {
		o.HTTPHeader.Set("Authorization", "Bearer "+bearer)
	}
	c, _, err := websocket.Dial(r.tb.Context(), r.http.URL+path, &o)
	if err != nil {
		r.tb.Fatal(err)
	}
	r.tb.Cleanup(func() { _ = c.CloseNow() })
	return c
}

func (r *rig) send(c *websocket.Conn, m wire.Message) {
	r.tb.Helper()
	if err := c.Write(r.tb.Context(), websocket.MessageBinary, m.Append(nil)); err != nil {
		r.tb.Fatal(err)
	}
}

func (r *rig) receive(c *websocket.Conn) wire.Message {
	r.tb.Helper()
	ctx, cancel := context.WithTimeout(r.tb.Context(), 10*time.Second)
	defer cancel()
	_, b, err := c.Read(ctx)
	if err != nil {
		r.tb.Fatal(err)
	}
	m, err := wire.Decode(b, wire.Limits{})
	if err != nil {
		r.tb.Fatal(err)
	}
	return m
}

// join opens a WebSocket and joins.
func (r *rig) join(bearer, peerID string) *websocket.Conn {
	r.tb.Helper()
	c := r.dial("/v1/sync", bearer, websocket.DialOptions{})
	r.send(c, wire.Join{SenderID: peerID})
	if m, ok := r.receive(c).(wire.Peer); !ok {
		r.tb.Fatalf("answer to join: %#v", m)
	}
	return c
}

// closed reads until the server closes and returns its code and reason.
func (r *rig) closed(c *websocket.Conn) (wire.CloseCode, string) {
	r.tb.Helper()
	ctx, cancel := context.WithTimeout(r.tb.Context(), 10*time.Second)
	defer cancel()
	for {
		_, _, err := c.Read(ctx)
		if err == nil {
			continue
		}
		var ce websocket.CloseError
		if !asClose(err, &ce) {
			r.tb.Fatalf("the connection ended without a close frame: %v", err)
		}
		return wire.CloseCode(ce.Code), ce.Reason
	}
}

func (r *rig) wantClosed(c *websocket.Conn, code wire.CloseCode) {
	r.tb.Helper()
	if got, reason := r.closed(c); got != code || reason == "" {
		r.tb.Errorf("closed with %d %q, want %d and a reason", got, reason, code)
	}
}

func waitFor(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("%s: not reached", what)
		}
	}
}

func everybody(hub.Session) bool { return true }
