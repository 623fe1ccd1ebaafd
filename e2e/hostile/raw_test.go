package hostile

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// WebSocket opcodes (RFC 6455 §5.2).
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
)

// answerTimeout is how long a server may take for any answer.
const answerTimeout = 30 * time.Second

// rawConn is a WebSocket connection without a library in between: it can say anything.
type rawConn struct {
	net.Conn
	in *bufio.Reader
}

// dialRaw upgrades a connection by hand.
func dialRaw(address, token string) (*rawConn, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	c := &rawConn{conn, bufio.NewReaderSize(conn, 1024)}
	c.SetDeadline(time.Now().Add(answerTimeout))
	request := "GET /v1/sync HTTP/1.1\r\nHost: " + address + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer " + token + "\r\n\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		conn.Close()
		return nil, err
	}
	for first := true; ; first = false {
		line, err := c.in.ReadString('\n')
		if err == nil && first && !strings.HasPrefix(line, "HTTP/1.1 101 ") {
			err = fmt.Errorf("the server answered %q", strings.TrimSpace(line))
		}
		if err != nil {
			conn.Close()
			return nil, fmt.Errorf("upgrade: %w", err)
		}
		if line == "\r\n" {
			return c, nil
		}
	}
}

// appendFrame appends a masked frame; the mask is zero, so that the payload stays readable.
func appendFrame(dst []byte, first byte, payload []byte) []byte {
	dst = appendHeader(dst, first, uint64(len(payload)))
	return append(dst, payload...)
}

// appendHeader appends the head of a masked frame with any declared length.
func appendHeader(dst []byte, first byte, length uint64) []byte {
	dst = append(dst, first)
	switch {
	case length < 126:
		dst = append(dst, 0x80|byte(length))
	case length < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x80|126), uint16(length))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|127), length)
	}
	return append(dst, 0, 0, 0, 0)
}

// binaryFrame returns a whole binary message as one frame.
func binaryFrame(payload []byte) []byte { return appendFrame(nil, 0x80|opBinary, payload) }

// serverFrame is one frame from the server.
type serverFrame struct {
	op      byte
	payload []byte
}

func (c *rawConn) next() (serverFrame, error) {
	var head [2]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return serverFrame{}, err
	}
	length := uint64(head[1] & 0x7f)
	var long [8]byte
	switch length {
	case 126:
		if _, err := io.ReadFull(c.in, long[6:]); err != nil {
			return serverFrame{}, err
		}
		length = binary.BigEndian.Uint64(long[:])
	case 127:
		if _, err := io.ReadFull(c.in, long[:]); err != nil {
			return serverFrame{}, err
		}
		length = binary.BigEndian.Uint64(long[:])
	}
	if head[1]&0x80 != 0 || length > 64<<20 {
		return serverFrame{}, errors.New("the server broke the WebSocket protocol")
	}
	payload := make([]byte, length)
	_, err := io.ReadFull(c.in, payload)
	return serverFrame{head[0] & 0x0f, payload}, err
}

// ending is how the server answered an offence.
type ending struct {
	code   int // 0 = the connection was kept
	reason string
	frames [][]byte // binary messages that came before
}

// settle reads until the server closes the connection or answers the ping that proves that it is kept.
func (c *rawConn) settle() (ending, error) {
	var e ending
	for {
		f, err := c.next()
		if err != nil {
			return e, err
		}
		switch f.op {
		case opBinary:
			e.frames = append(e.frames, f.payload)
		case opPong:
			return e, nil
		case opClose:
			if len(f.payload) >= 2 {
				e.code, e.reason = int(binary.BigEndian.Uint16(f.payload)), string(f.payload[2:])
			} else {
				e.code = 1005
			}
			return e, nil
		}
	}
}

// provoke sends bytes, asks for a pong behind them, and returns how the server took it. What is sent may be cut short
// by the server's close.
func (c *rawConn) provoke(sent []byte) (ending, error) {
	c.SetDeadline(time.Now().Add(answerTimeout))
	_, werr := c.Write(appendFrame(sent[:len(sent):len(sent)], 0x80|opPing, []byte("still there?")))
	e, err := c.settle()
	if err != nil && werr != nil {
		return e, errors.Join(err, werr)
	}
	return e, err
}
