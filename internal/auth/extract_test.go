package auth

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func request(target string, headers ...string) *http.Request {
	r := &http.Request{Method: http.MethodGet, Header: http.Header{}, Host: "concord.example.com", RemoteAddr: "192.0.2.1:1234"}
	path, query, _ := strings.Cut(target, "?")
	r.URL = &url.URL{Path: path, RawQuery: query}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func TestExtract(t *testing.T) {
	jwt := sign(t, "HS256", testSecret, `{"alg":"HS256"}`, with())
	spaced := sign(t, "HS256", testSecret, "{\n \"alg\":\"HS256\"}", with())
	const ticket = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopq"
	const proto, authz = "Sec-WebSocket-Protocol", "Authorization"
	for _, c := range []struct {
		name   string
		r      *http.Request
		kind   CredentialKind
		secret string
		want   error
	}{
		{"header", request("/v1/sync", authz, "Bearer "+jwt), KindHeader, jwt, nil},
		{"header, lower case", request("/v1/sync", authz, "bearer  "+jwt+" "), KindHeader, jwt, nil},
		{"subprotocol", request("/v1/sync", proto, "concord.v1, bearer."+jwt), KindSubprotocol, jwt, nil},
		{"subprotocol, other order, two lines", request("/v1/sync", proto, "bearer."+jwt, proto, "concord.v1"), KindSubprotocol, jwt, nil},
		{"subprotocol, no blank", request("/v1/sync", proto, "concord.v1,bearer."+jwt), KindSubprotocol, jwt, nil},
		{"ticket", request("/v1/sync?ticket=" + ticket), KindTicket, ticket, nil},
		{"ticket and other parameters", request("/v1/sync?a=b&ticket=" + ticket + "&token="), KindTicket, ticket, nil},
		{"ticket and concord.v1", request("/v1/sync?ticket="+ticket, proto, "concord.v1"), KindTicket, ticket, nil},
		{"header and concord.v1", request("/v1/sync", authz, "Bearer "+jwt, proto, "concord.v1"), KindHeader, jwt, nil},
		{"ticket behind a proxy's Basic", request("/v1/sync?ticket="+ticket, authz, "Basic dTpw"), KindTicket, ticket, nil},

		{"nothing", request("/v1/sync"), 0, "", ErrMissing},
		{"concord.v1 alone", request("/v1/sync", proto, "concord.v1"), 0, "", ErrMissing},
		{"Basic alone", request("/v1/sync", authz, "Basic dTpw"), 0, "", ErrMalformed},
		{"token without a scheme", request("/v1/sync", authz, jwt), 0, "", ErrMalformed},
		{"Bearer without a token", request("/v1/sync", authz, "Bearer "), 0, "", ErrMissing},
		{"Bearer glued", request("/v1/sync", authz, "Bearer"+jwt), 0, "", ErrMalformed},
		{"subprotocol without concord.v1", request("/v1/sync", proto, "bearer."+jwt), 0, "", ErrMalformed},
		{"subprotocol with concord.v2", request("/v1/sync", proto, "concord.v2, bearer."+jwt), 0, "", ErrMalformed},
		{"subprotocol empty token", request("/v1/sync", proto, "concord.v1, bearer."), 0, "", ErrMissing},
		{"ticket empty", request("/v1/sync?ticket="), 0, "", ErrMissing},
		{"ticket JWT", request("/v1/sync?ticket=" + jwt), 0, "", ErrTokenInURL},
		{"ticket JWT with white space", request("/v1/sync?ticket=" + spaced), 0, "", ErrTokenInURL},
		{"ticket JWT, percent-encoded", request("/v1/sync?ticket=" + strings.ReplaceAll(jwt, ".", "%2E")), 0, "", ErrTokenInURL},
		{"token", request("/v1/sync?token=" + jwt), 0, "", ErrTokenInURL},
		{"token, any value", request("/v1/sync?token=x"), 0, "", ErrTokenInURL},
		{"access_token", request("/v1/sync?access_token=" + jwt), 0, "", ErrTokenInURL},
		{"jwt", request("/v1/sync?jwt=" + jwt), 0, "", ErrTokenInURL},
		{"Token in capitals", request("/v1/sync?TOKEN=" + jwt), 0, "", ErrTokenInURL},
		{"any other parameter", request("/v1/sync?auth=" + jwt), 0, "", ErrTokenInURL},
		{"as a name", request("/v1/sync?" + jwt), 0, "", ErrTokenInURL},
		{"token in the URL and header", request("/v1/sync?token="+jwt, authz, "Bearer "+jwt), 0, "", ErrTokenInURL},
		{"header twice", request("/v1/sync", authz, "Bearer "+jwt, authz, "Bearer "+jwt), 0, "", ErrAmbiguous},
		{"header and subprotocol", request("/v1/sync", authz, "Bearer "+jwt, proto, "concord.v1, bearer."+jwt), 0, "", ErrAmbiguous},
		{"header and ticket", request("/v1/sync?ticket="+ticket, authz, "Bearer "+jwt), 0, "", ErrAmbiguous},
		{"subprotocol and ticket", request("/v1/sync?ticket="+ticket, proto, "concord.v1, bearer."+jwt), 0, "", ErrAmbiguous},
		{"two subprotocols", request("/v1/sync", proto, "concord.v1, bearer."+jwt+", bearer.x"), 0, "", ErrAmbiguous},
		{"two tickets", request("/v1/sync?ticket=" + ticket + "&ticket=" + ticket), 0, "", ErrAmbiguous},
		{"semicolons", request("/v1/sync?a=b;ticket=" + ticket), 0, "", ErrMalformed},
		{"broken escape", request("/v1/sync?ticket=%zz"), 0, "", ErrMalformed},
		{"long query", request("/v1/sync?x=" + strings.Repeat("x", maxQuery)), 0, "", ErrTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Extract(c.r)
			checkKind(t, err, c.want)
			if err != nil {
				if strings.Contains(err.Error(), jwt[:8]) || strings.Contains(err.Error(), ticket) {
					t.Errorf("error %q shows the secret", err)
				}
				if got != (Credential{}) {
					t.Error("a refusal returned a credential")
				}
				return
			}
			if got.Kind != c.kind || got.secret != c.secret {
				t.Errorf("got %v with %d characters", got, len(got.secret))
			}
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
				if s := fmt.Sprintf(verb, got); s != c.kind.String() {
					t.Errorf("%s shows %q", verb, s)
				}
			}
		})
	}
}

// TestAuthenticate goes through a real WebSocket handshake in each of the
// three ways.
func TestAuthenticate(t *testing.T) {
	a := Authenticator{Verifier: newVerifier(t, Options{Secret: testSecret}), Tickets: NewTickets(TicketOptions{Now: func() time.Time { return testNow }})}
	kinds := make(chan CredentialKind, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, kind, err := a.Authenticate(r)
		if err != nil {
			http.Error(w, PublicMessage(err), http.StatusUnauthorized)
			return
		}
		kinds <- kind
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{Subprotocol}})
		if err != nil {
			t.Error(err)
			return
		}
		conn.Close(websocket.StatusNormalClosure, p.User)
	}))
	defer srv.Close()
	jwt := sign(t, "HS256", testSecret, `{"alg":"HS256"}`, with())
	p, err := a.Verifier.Verify(t.Context(), jwt)
	checkKind(t, err, nil)
	ticket := issue(t, a.Tickets, p)

	for _, c := range []struct {
		name, query, header string
		protocols           []string
		kind                CredentialKind // 0: refused
		answer              string
	}{
		{"header", "", "Bearer " + jwt, nil, KindHeader, ""},
		{"header with subprotocol", "", "Bearer " + jwt, []string{Subprotocol}, KindHeader, Subprotocol},
		{"subprotocol", "", "", []string{Subprotocol, "bearer." + jwt}, KindSubprotocol, Subprotocol},
		{"ticket", "?ticket=" + ticket, "", nil, KindTicket, ""},
		{"ticket again", "?ticket=" + ticket, "", nil, 0, ""},
		{"nothing", "", "", nil, 0, ""},
		{"JWT in the URL", "?token=" + jwt, "", nil, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := &websocket.DialOptions{Subprotocols: c.protocols, HTTPHeader: http.Header{}}
			if c.header != "" {
				o.HTTPHeader.Set("Authorization", c.header)
			}
			conn, res, err := websocket.Dial(t.Context(), srv.URL+c.query, o)
			if c.kind == 0 {
				if err == nil || res.StatusCode != http.StatusUnauthorized {
					t.Fatalf("accepted: %v", res)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer conn.CloseNow()
			if got := <-kinds; got != c.kind || conn.Subprotocol() != c.answer {
				t.Errorf("kind %v, subprotocol %q", got, conn.Subprotocol())
			}
			if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure || !strings.Contains(err.Error(), canary) {
				t.Errorf("closed with %v", err)
			}
		})
	}
	http.DefaultClient.CloseIdleConnections()

	_, _, err = Authenticator{Verifier: a.Verifier}.Authenticate(request("/?ticket=abc"))
	checkKind(t, err, ErrTicket)
}
