package auth

import (
	"net/netip"
	"strings"
	"sync"
	"testing"
)

func TestClientIP(t *testing.T) {
	trusted := []string{"10.0.0.0/8", " 192.0.2.1 ", "", "fd00::/8", "::1", "::ffff:172.16.0.0/108"}
	for _, c := range []struct {
		name    string
		trusted []string
		remote  string
		xff     []string
		want    string // "" is none
	}{
		{"direct", nil, "198.51.100.7:1234", nil, "198.51.100.7"},
		{"direct, lying header", nil, "198.51.100.7:1234", []string{"1.1.1.1"}, "198.51.100.7"},
		{"untrusted proxy", trusted, "198.51.100.7:1234", []string{"1.1.1.1"}, "198.51.100.7"},
		{"trusted, no header", trusted, "10.1.2.3:1234", nil, "10.1.2.3"},
		{"trusted, empty header", trusted, "10.1.2.3:1234", []string{""}, "10.1.2.3"},
		{"one hop", trusted, "10.1.2.3:1234", []string{"198.51.100.7"}, "198.51.100.7"},
		{"single address trusted", trusted, "192.0.2.1:1234", []string{"198.51.100.7"}, "198.51.100.7"},
		{"its neighbour isn't", trusted, "192.0.2.2:1234", []string{"198.51.100.7"}, "192.0.2.2"},
		{"spoofed entry on the left", trusted, "10.1.2.3:1234", []string{"1.1.1.1, 198.51.100.7"}, "198.51.100.7"},
		{"two trusted hops", trusted, "10.1.2.3:1234", []string{"198.51.100.7, 10.9.9.9"}, "198.51.100.7"},
		{"two lines", trusted, "10.1.2.3:1234", []string{"1.1.1.1,198.51.100.7", "10.9.9.9"}, "198.51.100.7"},
		{"only trusted hops", trusted, "10.1.2.3:1234", []string{"10.0.0.5, 10.0.0.6"}, "10.0.0.5"},
		{"spoofed trusted entries", trusted, "10.1.2.3:1234", []string{"10.0.0.9, 198.51.100.7, 10.0.0.6"}, "198.51.100.7"},
		{"rubbish", trusted, "10.1.2.3:1234", []string{"unknown"}, "10.1.2.3"},
		{"rubbish left of the client", trusted, "10.1.2.3:1234", []string{"<script>, 198.51.100.7"}, "198.51.100.7"},
		{"rubbish behind a hop", trusted, "10.1.2.3:1234", []string{"198.51.100.7, _hidden, 10.0.0.6"}, "10.0.0.6"},
		{"trailing comma", trusted, "10.1.2.3:1234", []string{"198.51.100.7,"}, "10.1.2.3"},
		{"port", trusted, "10.1.2.3:1234", []string{"198.51.100.7:5555"}, "198.51.100.7"},
		{"blanks and tabs", trusted, "10.1.2.3:1234", []string{"\t198.51.100.7 \t"}, "198.51.100.7"},
		{"IPv6", trusted, "[fd00::1]:1234", []string{"2001:db8::7"}, "2001:db8::7"},
		{"IPv6 with brackets", trusted, "[fd00::1]:1234", []string{"[2001:db8::7]"}, "2001:db8::7"},
		{"IPv6 with brackets and port", trusted, "[fd00::1]:1234", []string{"[2001:db8::7]:443"}, "2001:db8::7"},
		{"IPv6 half a bracket", trusted, "[fd00::1]:1234", []string{"[2001:db8::7"}, "fd00::1"},
		{"IPv6 zone", nil, "[fe80::1%eth0]:1234", nil, "fe80::1"},
		{"IPv6 zone of a trusted hop", []string{"fe80::/10"}, "[fe80::1%eth0]:1234", []string{"2001:db8::7%x"}, "2001:db8::7"},
		{"mapped remote", trusted, "[::ffff:10.1.2.3]:1234", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		{"mapped prefix", trusted, "172.16.5.5:1234", []string{"198.51.100.7"}, "198.51.100.7"},
		{"out of the mapped prefix", trusted, "172.32.5.5:1234", []string{"198.51.100.7"}, "172.32.5.5"},
		{"loopback", trusted, "[::1]:1234", []string{"198.51.100.7"}, "198.51.100.7"},
		{"no port", trusted, "10.1.2.3", []string{"198.51.100.7"}, "198.51.100.7"},
		{"unix socket", trusted, "@", []string{"198.51.100.7"}, ""},
		{"no remote", trusted, "", []string{"198.51.100.7"}, ""},
		{"octal isn't read", trusted, "10.1.2.3:1234", []string{"0300.0.2.1"}, "10.1.2.3"},
		{"very long", trusted, "10.1.2.3:1234", []string{"198.51.100.7" + strings.Repeat(",10.0.0.5", 10000)}, "10.0.0.5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := ParseProxies(c.trusted)
			if err != nil {
				t.Fatal(err)
			}
			r := request("/v1/sync", "Forwarded", "for=9.9.9.9", "X-Real-IP", "9.9.9.9")
			r.RemoteAddr = c.remote
			r.Header["X-Forwarded-For"] = c.xff
			got := p.ClientIP(r)
			if c.want == "" {
				if got.IsValid() {
					t.Errorf("got %v, want none", got)
				}
				return
			}
			if got != netip.MustParseAddr(c.want) {
				t.Errorf("got %v, want %s", got, c.want)
			}
		})
	}
}

func TestParseProxiesRefuses(t *testing.T) {
	for _, entry := range []string{"nginx", "10.0.0.0/33", "10.0.0", "10.0.0.0/8/8", "::ffff:0:0/8", "fe80::%eth0/10", "*"} {
		if _, err := ParseProxies([]string{entry}); err == nil || !strings.Contains(err.Error(), entry) {
			t.Errorf("%q: %v", entry, err)
		}
	}
}

func TestConnLimiter(t *testing.T) {
	addr := netip.MustParseAddr
	l := NewConnLimiter(2)
	a, ok1 := l.Acquire(addr("198.51.100.7"))
	_, ok2 := l.Acquire(addr("::ffff:198.51.100.7"))
	_, ok3 := l.Acquire(addr("198.51.100.7"))
	_, ok4 := l.Acquire(addr("198.51.100.8"))
	if !ok1 || !ok2 || ok3 || !ok4 {
		t.Fatalf("IPv4: %v %v %v %v", ok1, ok2, ok3, ok4)
	}
	a()
	a() // again does nothing
	if n := l.Count(addr("198.51.100.7")); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	if _, ok := l.Acquire(addr("198.51.100.7")); !ok {
		t.Error("a released place isn't free")
	}

	l.Acquire(addr("2001:db8:0:1::1"))
	l.Acquire(addr("2001:db8:0:1:ffff::2%eth0"))
	_, same := l.Acquire(addr("2001:db8:0:1::3"))
	_, next := l.Acquire(addr("2001:db8:0:2::1"))
	if same || !next {
		t.Errorf("IPv6: same network %v, next network %v", same, next)
	}

	l.Acquire(netip.Addr{})
	l.Acquire(netip.Addr{})
	if _, ok := l.Acquire(netip.Addr{}); ok {
		t.Error("connections without address are unlimited")
	}

	for _, max := range []int{0, -1} {
		free := NewConnLimiter(max)
		for range 100 {
			if release, ok := free.Acquire(addr("198.51.100.7")); !ok {
				t.Fatal("limited")
			} else {
				release()
			}
		}
	}
}

func TestConnLimiterConcurrently(t *testing.T) {
	l := NewConnLimiter(3)
	ip := netip.MustParseAddr("2001:db8::1")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 2000 {
				release, ok := l.Acquire(ip)
				if n := l.Count(ip); n > 3 {
					t.Errorf("%d connections", n)
				}
				if ok {
					release()
				}
			}
		})
	}
	wg.Wait()
	if n := len(l.count); n != 0 {
		t.Errorf("%d addresses remembered after all have left", n)
	}
}
