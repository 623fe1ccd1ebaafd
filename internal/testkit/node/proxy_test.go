package node

import (
	"bytes"
	"io"
	"net"
	"testing"
)

func TestProxyCutsAtTheByte(t *testing.T) {
	received := make(chan []byte, 1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if _, err := conn.Write([]byte("hello")); err != nil {
			return
		}
		got, _ := io.ReadAll(conn) // ends with an error when the cut comes as a reset
		received <- got
	}()

	p := NewProxy(t, l.Addr().String())
	conn, err := net.Dial("tcp", p.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	// The greeting proves that the proxy knows the connection.
	if _, err := io.ReadFull(conn, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	p.CutAfter(Up, 700)
	if _, err := conn.Write(bytes.Repeat([]byte{'x'}, 1000)); err != nil {
		t.Fatal(err)
	}
	if got := <-received; len(got) != 700 {
		t.Errorf("%d bytes passed before the cut, want 700", len(got))
	}
}

func TestProxyDropsWhatComesWhenItIsMute(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	ended := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if _, err := conn.Write([]byte("hello")); err != nil {
			return
		}
		n, err := conn.Read(make([]byte, 100))
		if n > 0 {
			err = nil
		}
		ended <- err
	}()

	p := NewProxy(t, l.Addr().String())
	conn, err := net.Dial("tcp", p.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.ReadFull(conn, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	p.Mute()
	if _, err := conn.Write(make([]byte, 1<<20)); err != nil {
		t.Errorf("write to a mute proxy: %v", err)
	}
	conn.Close()
	p.Cut()
	if err := <-ended; err == nil {
		t.Error("something came through a mute proxy")
	}
}
