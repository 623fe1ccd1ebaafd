package node

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy stands between clients and a node and cuts connections, at any byte of either direction.
type Proxy struct {
	Address string

	target   string
	listener net.Listener
	owned    sync.WaitGroup

	mu    sync.Mutex // guards the following fields
	links map[*link]struct{}
	done  bool
}

// link is one proxied connection.
type link struct {
	client, server net.Conn

	mu   sync.Mutex // guards the following fields
	left [2]int     // bytes until the cut, by direction; negative means no cut is due
	mute bool       // what comes is dropped
}

// Direction of bytes through a proxy.
type Direction int

const (
	Up   Direction = iota // from the client to the node
	Down                  // from the node to the client
)

// NewProxy forwards to the address target until the test ends.
func NewProxy(tb testing.TB, target string) *Proxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{Address: l.Addr().String(), target: target, listener: l, links: map[*link]struct{}{}}
	p.owned.Go(p.accept)
	tb.Cleanup(p.close)
	return p
}

// SyncURL returns the address of the node's sync endpoint through the proxy.
func (p *Proxy) SyncURL() string { return "ws://" + p.Address + "/v1/sync" }

// Cut resets all connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.cut()
	}
}

// CutAfter resets every connection of this moment once n more bytes have passed in the given direction.
func (p *Proxy) CutAfter(d Direction, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.mu.Lock()
		l.left[d] = n
		l.mu.Unlock()
	}
}

// Mute drops what comes from now on over the connections of this moment, in both directions, also that a side has ended:
// as when a device has lost its network.
func (p *Proxy) Mute() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.mu.Lock()
		l.mute = true
		l.mu.Unlock()
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			client.Close()
			continue
		}
		l := &link{client: client, server: server, left: [2]int{-1, -1}}
		if !p.add(l) {
			l.cut()
			return
		}
		p.owned.Go(func() { l.pump(Up, server, client) })
		p.owned.Go(func() {
			if l.pump(Down, client, server); !l.isMute() {
				p.remove(l)
			}
		})
	}
}

func (p *Proxy) add(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done {
		return false
	}
	p.links[l] = struct{}{}
	return true
}

func (p *Proxy) remove(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.done = true
	p.mu.Unlock()
	p.listener.Close()
	p.Cut()
	p.owned.Wait()
}

// pump copies one direction until either side ends or the cut is due.
func (l *link) pump(d Direction, to io.Writer, from io.Reader) {
	defer func() {
		if !l.isMute() {
			l.cut()
		}
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		pass, due := l.take(d, n)
		if _, werr := to.Write(buf[:pass]); werr != nil || err != nil || due {
			return
		}
	}
}

// take says how many of n bytes may pass, and whether the connection is to be cut after them.
func (l *link) take(d Direction, n int) (pass int, due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mute {
		return 0, false
	}
	if l.left[d] < 0 {
		return n, false
	}
	if n >= l.left[d] {
		return l.left[d], true
	}
	l.left[d] -= n
	return n, false
}

func (l *link) isMute() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mute
}

// cut drops both sides, the bytes that passed so far delivered.
func (l *link) cut() {
	l.client.Close()
	l.server.Close()
}
