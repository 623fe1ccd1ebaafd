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
