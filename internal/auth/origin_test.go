package auth

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOrigins(t *testing.T) {
	list := []string{" https://app.example.com ", "", "http://localhost:5173", "capacitor://localhost", "https://*.erp.example.com", "http://*.localhost:8080"}
	for _, c := range []struct {
		name    string
		allow   []string
		host    string // of the request; "" is concord.example.com
		tls     bool
		origins []string
		want    bool
	}{
		{"no header", nil, "", false, nil, true},
		{"no header, a list", list, "", false, nil, true},
		{"same origin", nil, "", false, []string{"https://concord.example.com"}, true},
		{"same origin, plain", nil, "", false, []string{"http://concord.example.com"}, true},
		{"same origin, plain page of a TLS server", nil, "", true, []string{"http://concord.example.com"}, false},
		{"same origin, TLS", nil, "", true, []string{"https://concord.example.com"}, true},
		{"same origin, default port in the host", nil, "concord.example.com:443", false, []string{"https://concord.example.com"}, true},
		{"same origin, port", nil, "127.0.0.1:8080", false, []string{"http://127.0.0.1:8080"}, true},
		{"same origin, IPv6", nil, "[::1]:8080", false, []string{"http://[::1]:8080"}, true},
		{"same origin, other case", nil, "Concord.Example.com", false, []string{"https://concord.example.com"}, true},
		{"same host, other port", nil, "127.0.0.1:8080", false, []string{"http://127.0.0.1:5173"}, false},
		{"same host, other scheme than the web's", nil, "", false, []string{"ftp://concord.example.com"}, false},
		{"no host", nil, "-", false, []string{"http://-x"}, false},
		{"other origin, no list", nil, "", false, []string{"https://evil.example"}, false},
		{"listed", list, "", false, []string{"https://app.example.com"}, true},
		{"listed, default port", list, "", false, []string{"https://app.example.com:443"}, true},
		{"listed, other port", list, "", false, []string{"https://app.example.com:8443"}, false},
		{"listed, other scheme", list, "", false, []string{"http://app.example.com"}, false},
		{"listed, port", list, "", false, []string{"http://localhost:5173"}, true},
		{"listed, app scheme", list, "", false, []string{"capacitor://localhost"}, true},
		{"listed as a prefix", list, "", false, []string{"https://app.example.com.evil.example"}, false},
		{"listed as a suffix", list, "", false, []string{"https://evilapp.example.com"}, false},
		{"listed as user", list, "", false, []string{"https://app.example.com@evil.example"}, false},
		{"subdomain", list, "", false, []string{"https://a.erp.example.com"}, true},
		{"deep subdomain", list, "", false, []string{"https://a.b.erp.example.com"}, true},
		{"subdomain, port", list, "", false, []string{"http://a.localhost:8080"}, true},
		{"subdomain, other port", list, "", false, []string{"https://a.erp.example.com:444"}, false},
		{"the domain itself", list, "", false, []string{"https://erp.example.com"}, false},
		{"empty subdomain", list, "", false, []string{"https://.erp.example.com"}, false},
		{"glued to the domain", list, "", false, []string{"https://evilerp.example.com"}, false},
		{"subdomain, other scheme", list, "", false, []string{"http://a.erp.example.com"}, false},
		{"a star as origin", list, "", false, []string{"https://*.erp.example.com"}, false},
		{"any", []string{"*"}, "", false, []string{"https://evil.example"}, true},
		{"any, null", []string{"*"}, "", false, []string{"null"}, true},
		{"null", list, "", false, []string{"null"}, false},
		{"empty header", list, "", false, []string{""}, false},
		{"path", list, "", false, []string{"https://app.example.com/"}, false},
		{"two headers", []string{"*"}, "", false, []string{"https://app.example.com", "https://app.example.com"}, false},
		{"two in one", list, "", false, []string{"https://app.example.com https://app.example.com"}, false},
		{"rubbish", list, "", false, []string{"\x00://%zz"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := ParseOrigins(c.allow)
			if err != nil {
				t.Fatal(err)
			}
			r := request("/v1/sync")
			switch c.host {
			case "":
			case "-":
				r.Host = ""
			default:
				r.Host = c.host
			}
			if c.tls {
				r.TLS = &tls.ConnectionState{}
			}
			r.Header["Origin"] = c.origins
			if got := o.Allowed(r); got != c.want {
				t.Errorf("allowed = %v", got)
			}
		})
	}
}

func TestParseOriginsRefuses(t *testing.T) {
	for _, entry := range []string{
		"example.com", "//example.com", "https://", "https://example.com/", "https://example.com/app", "https://example.com?x",
		"https://user@example.com", "https://*", "https://*.com", "https://*.", "https://a.*.example.com", "https://app*.example.com",
		"**", "null", "https://bücher.example", "https://a b", "https://a,https://b", "https://example.com:port",
	} {
		if _, err := ParseOrigins([]string{entry}); err == nil {
			t.Errorf("%q: accepted", entry)
		} else if !strings.Contains(err.Error(), "allow-origin") {
			t.Errorf("%q: error %q names no option", entry, err)
		}
	}
}

func TestCORS(t *testing.T) {
	o, err := ParseOrigins([]string{"https://app.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	h := o.CORS(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Accept")
		w.Write([]byte("reached"))
	}))
	const origin = "https://app.example.com"
	for _, c := range []struct {
		name, method string
		headers      []string
		status       int
		reached      bool
		allow        string
		vary         []string
	}{
		{"no browser", "GET", nil, 200, true, "", []string{"Origin", "Accept"}},
		{"allowed", "POST", []string{"Origin", origin}, 200, true, origin, []string{"Origin", "Accept"}},
		{"not allowed", "POST", []string{"Origin", "https://evil.example"}, 403, false, "", []string{"Origin"}},
		{"preflight", "OPTIONS", []string{"Origin", origin, "Access-Control-Request-Method", "PUT"}, 204, false, origin,
			[]string{"Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"}},
		{"preflight not allowed", "OPTIONS", []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "PUT"}, 403, false, "",
			[]string{"Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"}},
		{"plain OPTIONS", "OPTIONS", []string{"Origin", origin}, 200, true, origin, []string{"Origin", "Accept"}},
		{"OPTIONS of no browser", "OPTIONS", []string{"Access-Control-Request-Method", "PUT"}, 200, true, "", []string{"Origin", "Accept"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request("/v1/documents", c.headers...)
			r.Method = c.method
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != c.status || (w.Body.String() == "reached") != c.reached {
				t.Errorf("status %d, body %q", w.Code, w.Body)
			}
			if got := w.Header().Get("Access-Control-Allow-Origin"); got != c.allow {
				t.Errorf("allow-origin %q", got)
			}
			if diff := cmp.Diff(c.vary, w.Header().Values("Vary")); diff != "" {
				t.Errorf("vary (-want +got):\n%s", diff)
			}
			if w.Header().Get("Access-Control-Allow-Credentials") != "" {
				t.Error("credentials are allowed")
			}
			switch c.status {
			case 204:
				if m := w.Header().Get("Access-Control-Allow-Methods"); !strings.Contains(m, "PUT") {
					t.Errorf("methods %q", m)
				}
				if h := w.Header().Get("Access-Control-Allow-Headers"); !strings.Contains(h, "Authorization") {
					t.Errorf("headers %q", h)
				}
			case 403:
				var problem struct{ Status int }
				if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil || problem.Status != 403 || w.Header().Get("Content-Type") != "application/problem+json" {
					t.Errorf("no problem document: %s", w.Body)
				}
			}
		})
	}
}
