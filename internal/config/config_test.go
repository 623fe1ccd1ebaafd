package config

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

// parse runs a command line as `concord serve` does.
func parse(t *testing.T, env map[string]string, args ...string) (Serve, error) {
	t.Helper()
	for _, o := range Options() { // the developer's own environment stays out
		if _, ok := os.LookupEnv(o.Env); ok {
			t.Setenv(o.Env, "")
			os.Unsetenv(o.Env)
		}
	}
	for key, value := range env {
		t.Setenv(key, value)
	}
	var cli struct {
		Serve Serve `cmd:""`
	}
	parser, err := kong.New(&cli, kong.Name("concord"), kong.Writers(io.Discard, io.Discard), kong.Exit(func(int) { t.Fatal("exit") }))
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(append([]string{"serve"}, args...))
	return cli.Serve, err
}

var diffPrefix = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

const goodSecret = "0123456789abcdef0123456789abcdef"

func TestDefaults(t *testing.T) {
	got, err := parse(t, nil, "--dev")
	if err != nil {
		t.Fatal(err)
	}
	want := Serve{
		Listen: "127.0.0.1:8080", Data: "./concord-data", Dev: true,
		PingInterval: Milliseconds(25 * time.Second), PingTimeout: Milliseconds(60 * time.Second), MaxConnectionsPerIP: 10,
		HandshakeTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, DrainTimeout: 10 * time.Second, MessageRate: 2000,
		DocumentCache: 256 << 20, MaxMessage: 16 << 20, MaxInflated: 64 << 20, MaxOps: 200_000, MaxRows: 5_000_000, MaxDeps: 1024, MaxHeads: 1024,
		MaxNeed: 10_000, MaxOrphans: 1000, MaxOrphanBytes: 8 << 20, MaxDocumentsPerConnection: 10_000,
		EphemeralRate: Rates{100, 200, 10_000}, EventRate: Rates{50, 100, 10_000}, PublishRate: Rates{1000, 1000, 2000}, TypingRate: Rates{5, 10, 2000},
		EventTTL: Seconds(24 * time.Hour), PresenceTTL: Seconds(5 * time.Minute), PresenceGrace: 10 * time.Second, TypingExpiry: 5 * time.Second,
		SnapshotWorkers: 1, SnapshotChanges: 256,
		LogLevel: "info", LogFormat: "text",
	}
	if diff := cmp.Diff(want, got, diffPrefix); diff != "" {
		t.Errorf("kong (-want +got):\n%s", diff)
	}
	want.Dev = false
	if diff := cmp.Diff(want, Default(), diffPrefix); diff != "" {
		t.Errorf("Default (-want +got):\n%s", diff)
	}
}

func TestEveryOption(t *testing.T) {
	values := map[string]string{
		"listen": ":9000", "data": "/var/lib/concord", "dev": "true", "jwt-secret": goodSecret,
		"rules": "/etc/concord/rules.yaml", "check-rules": "true",
		"jwks-url": "https://login.example.com/keys", "jwt-issuer": "issuer", "jwt-audience": "audience",
		"allow-origin": "https://a.example.com,https://*.example.com", "trusted-proxies": "10.0.0.0/8,192.168.1.7,fd00::/8",
		"ping-interval": "5000", "ping-timeout": "7000", "max-connections-per-ip": "0", "handshake-timeout": "3s",
		"write-timeout": "4s", "drain-timeout": "0s", "message-rate": "5", "message-burst": "6", "document-cache": "1GiB",
		"max-message": "1MiB", "max-inflated": "2000KB", "max-ops": "1", "max-rows": "8", "max-deps": "2", "max-heads": "3", "max-need": "4",
		"max-orphans": "5", "max-orphan-bytes": "6000", "max-documents-per-connection": "7",
		"ephemeral-rate": "1/2/3", "event-rate": "4/0/5", "publish-rate": "0/0/0", "typing-rate": "10000000/6/7",
		"event-ttl": "3600", "presence-ttl": "60", "presence-grace": "1m", "typing-expiry": "3s",
		"snapshot-workers": "0", "snapshot-changes": "9", "log-level": "debug", "log-format": "json",
	}
	want := Serve{
		Listen: ":9000", Data: "/var/lib/concord", Dev: true, JWTSecret: goodSecret,
		Rules: "/etc/concord/rules.yaml", CheckRules: true,
		JWKSURL: "https://login.example.com/keys", JWTIssuer: "issuer", JWTAudience: "audience",
		AllowOrigin: []string{"https://a.example.com", "https://*.example.com"},
		TrustedProxies: []Prefix{
			{netip.MustParsePrefix("10.0.0.0/8")}, {netip.MustParsePrefix("192.168.1.7/32")}, {netip.MustParsePrefix("fd00::/8")},
		},
		PingInterval: Milliseconds(5 * time.Second), PingTimeout: Milliseconds(7 * time.Second), MaxConnectionsPerIP: 0,
		HandshakeTimeout: 3 * time.Second, WriteTimeout: 4 * time.Second, DrainTimeout: 0, MessageRate: 5, MessageBurst: 6,
		DocumentCache: 1 << 30, MaxMessage: 1 << 20, MaxInflated: 2_000_000, MaxOps: 1, MaxRows: 8, MaxDeps: 2, MaxHeads: 3, MaxNeed: 4,
		MaxOrphans: 5, MaxOrphanBytes: 6000, MaxDocumentsPerConnection: 7,
		EphemeralRate: Rates{1, 2, 3}, EventRate: Rates{4, 0, 5}, TypingRate: Rates{10_000_000, 6, 7},
		EventTTL: Seconds(time.Hour), PresenceTTL: Seconds(time.Minute), PresenceGrace: time.Minute, TypingExpiry: 3 * time.Second,
		SnapshotWorkers: 0, SnapshotChanges: 9, LogLevel: "debug", LogFormat: "json",
	}
	env, other := map[string]string{}, map[string]string{}
	var args []string
	for _, o := range Options() {
		if o.Flag == "jwks-file" { // excludes jwks-url
			continue
		}
		value, ok := values[o.Flag]
		if !ok {
			t.Fatalf("the test has no value for --%s", o.Flag)
		}
		if o.Help == "" || o.Env == "" || o.Group == "" || !strings.HasSuffix(o.Help, ".") {
			t.Errorf("--%s lacks help, environment variable or group: %+v", o.Flag, o)
		}
		env[o.Env] = value
		if o.Flag == "dev" {
			args = append(args, "--dev")
			other[o.Env] = "false"
			continue
		}
		args = append(args, "--"+o.Flag+"="+value)
		if o.Default != "" {
			other[o.Env] = o.Default
		}
	}
	fromEnv, err := parse(t, env)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, fromEnv, diffPrefix); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"10.0.0.0/8", "192.168.1.7/32", "fd00::/8"}, strings.Fields(strings.Trim(fmt.Sprint(fromEnv.TrustedProxies), "[]"))); diff != "" {
		t.Errorf("proxies (-want +got):\n%s", diff)
	}
	fromFlags, err := parse(t, other, args...)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, fromFlags, diffPrefix); diff != "" {
		t.Errorf("flags over environment (-want +got):\n%s", diff)
	}
}

func TestRefuses(t *testing.T) {
	for _, test := range []struct {
		args []string
		want []string // all in the error
	}{
		{nil, []string{"CONCORD_JWT_SECRET", "--jwks-url", "--jwks-file", "--dev"}},
		{[]string{"--jwt-secret=short"}, []string{"--jwt-secret", "CONCORD_JWT_SECRET", "32"}},
		{[]string{"--dev", "--listen=8080"}, []string{"--listen", "CONCORD_LISTEN", "127.0.0.1:8080"}},
		{[]string{"--dev", "--listen=:99999"}, []string{"--listen", "65535"}},
		{[]string{"--dev", "--listen=:http"}, []string{"--listen"}},
		{[]string{"--dev", "--data="}, []string{"--data", "CONCORD_DATA"}},
		{[]string{"--jwks-url=https://a.example.com", "--jwks-file=keys.json"}, []string{"--jwks-file", "--jwks-url"}},
		{[]string{"--jwks-url=ftp://a.example.com"}, []string{"--jwks-url", "CONCORD_JWKS_URL"}},
		{[]string{"--jwks-url=keys.json"}, []string{"--jwks-url"}},
		{[]string{"--jwks-url=https://"}, []string{"--jwks-url"}},
		{[]string{"--dev", "--trusted-proxies=10.0.0.0/8,proxy"}, []string{"--trusted-proxies", "10.0.0.0/8", "proxy"}},
		{[]string{"--dev", "--trusted-proxies=10.0.0.0/33"}, []string{"--trusted-proxies"}},
		{[]string{"--dev", "--ping-interval=9"}, []string{"--ping-interval", "WS_PING_INTERVAL", "10 to 3600000"}},
		{[]string{"--dev", "--ping-interval=-1"}, []string{"--ping-interval"}},
		{[]string{"--dev", "--ping-interval=99999999999999999999"}, []string{"--ping-interval"}},
		{[]string{"--dev", "--max-connections-per-ip=-1"}, []string{"--max-connections-per-ip", "WS_MAX_CONNECTIONS_PER_IP"}},
		{[]string{"--dev", "--document-cache=lots"}, []string{"--document-cache", "16MiB"}},
		{[]string{"--dev", "--document-cache=0"}, []string{"--document-cache", "1MiB to 1TiB"}},
		{[]string{"--dev", "--max-message=2TiB"}, []string{"--max-message", "CONCORD_MAX_MESSAGE", "1KiB to 1GiB"}},
		{[]string{"--dev", "--max-inflated=8MiB"}, []string{"--max-inflated", "--max-message"}},
		{[]string{"--dev", "--max-heads=0"}, []string{"--max-heads", "CONCORD_MAX_HEADS", "1 to 1024"}},
		{[]string{"--dev", "--max-heads=x"}, []string{"--max-heads"}},
		{[]string{"--dev", "--message-rate=0", "--message-burst=5"}, []string{"--message-burst", "--message-rate"}},
		{[]string{"--dev", "--write-timeout=0s"}, []string{"--write-timeout", "CONCORD_WRITE_TIMEOUT"}},
		{[]string{"--dev", "--write-timeout=10"}, []string{"--write-timeout"}},
		{[]string{"--dev", "--presence-ttl=0"}, []string{"--presence-ttl", "WS_PRESENCE_TTL", "1 to 86400"}},
		{[]string{"--dev", "--typing-rate=5"}, []string{"--typing-rate", "three numbers", "100/200/10000"}},
		{[]string{"--dev", "--event-rate=1/2/3/4"}, []string{"--event-rate"}},
		{[]string{"--dev", "--event-rate=1/-2/3"}, []string{"--event-rate"}},
		{[]string{"--dev", "--event-rate=1/2/10000001"}, []string{"--event-rate"}},
		{[]string{"--dev", "--log-level=loud"}, []string{"--log-level", "debug", "error"}},
		{[]string{"--dev", "--log-format=xml"}, []string{"--log-format", "json"}},
		{[]string{"--dev", "--max-ops=0", "--max-deps=0"}, []string{"--max-ops", "--max-deps"}},
	} {
		_, err := parse(t, nil, test.args...)
		if err == nil {
			t.Errorf("%v: no error", test.args)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v: error %q doesn't name %q", test.args, err, want)
			}
		}
	}
	for env, value := range map[string]string{
		"WS_PING_TIMEOUT": "soon", "CONCORD_MAX_OPS": "many", "CONCORD_MAX_MESSAGE": "1XB", "CONCORD_TRUSTED_PROXIES": "x",
		"CONCORD_LOG_FORMAT": "xml", "CONCORD_DRAIN_TIMEOUT": "-1s",
	} {
		if _, err := parse(t, map[string]string{env: value}, "--dev"); err == nil || !strings.Contains(err.Error(), value) && env != "CONCORD_DRAIN_TIMEOUT" {
			t.Errorf("%s=%s: %v", env, value, err)
		}
	}
}

func TestEnumsWithoutKong(t *testing.T) {
	s := Default()
	s.Dev, s.LogLevel, s.LogFormat, s.TrustedProxies = true, "loud", "xml", []Prefix{{}}
	err := s.Validate()
	for _, want := range []string{"CONCORD_LOG_LEVEL", "CONCORD_LOG_FORMAT", "CONCORD_TRUSTED_PROXIES"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v doesn't name %s", err, want)
		}
	}
}

func TestByteSize(t *testing.T) {
	for text, want := range map[string]ByteSize{
		"0": 0, "1": 1, "17B": 17, "1KiB": 1024, "1kib": 1024, "2 MiB": 2 << 20, "3GB": 3_000_000_000, "1TiB": 1 << 40, "9223372036854775807": 1<<63 - 1,
	} {
		var got ByteSize
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q = %d, %v, want %d", text, got, err, want)
		}
		var again ByteSize
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("%q reads back as %d, %v, want %d", got, again, err, got)
		}
	}
	for _, text := range []string{"", "B", "MiB", "-1", "-1MiB", "1.5MiB", "16M", "0x10", "1_000", "9223372036854775808", "9007199254740992KiB", "99999999999TiB", "1MiBMiB"} {
		var got ByteSize
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q = %d, want an error", text, got)
		}
	}
}

func TestSecretIsNeverShown(t *testing.T) {
	const canary = "canary-9c1d"
	for _, secret := range []string{canary, canary + goodSecret} {
		s, err := parse(t, map[string]string{"CONCORD_JWT_SECRET": secret}, "--listen=wrong")
		if err == nil {
			t.Fatal("no error")
		}
		raw, jsonErr := json.Marshal(s)
		if jsonErr != nil {
			t.Fatal(jsonErr)
		}
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("configured", "config", s, "secret", s.JWTSecret)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("configured", "config", s, "secret", s.JWTSecret)
		for _, text := range []string{err.Error(), string(raw), log.String(), fmt.Sprint(s), fmt.Sprintf("%+v %#v %s %q %x", s, s, s.JWTSecret, s.JWTSecret, s.JWTSecret)} {
			if strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
				t.Errorf("the secret shows in %s", text)
			}
		}
		if string(s.JWTSecret) != secret {
			t.Errorf("the secret is %q in the program", string(s.JWTSecret))
		}
	}
	s, err := parse(t, nil, "--jwks-url=ftp://user:"+canary+"@example.com")
	if err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("%+v: %v", s, err)
	}
}

func TestMarkdown(t *testing.T) {
	table := Markdown()
	rows := strings.Split(strings.TrimSuffix(table, "\n"), "\n")
	if len(rows) != len(Options())+2 {
		t.Fatalf("%d rows for %d options", len(rows), len(Options()))
	}
	for _, row := range rows {
		if n := strings.Count(strings.ReplaceAll(row, `\|`, ""), "|"); n != 5 {
			t.Errorf("%d bars in %s", n, row)
		}
	}
	const want = "| `--ping-interval` | `WS_PING_INTERVAL` | `25000` | Milliseconds between two pings on an open connection. 10 to 3600000. |\n"
	if !strings.Contains(table, want) {
		t.Errorf("no row %q in\n%s", want, table)
	}
}
