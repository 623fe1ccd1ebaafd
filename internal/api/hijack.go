package api

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
)

// socketBuffer is the size of each of a WebSocket's two buffers: most messages
// fit in, bigger ones pass by. net/http's own take 4 KiB each, for as long as the
// connection is idle.
const socketBuffer = 1 << 10

// smallBuffers is a ResponseWriter whose hijacked connection has small buffers.
type smallBuffers struct{ http.ResponseWriter }

// Hijack takes the connection over from the HTTP server.
func (w smallBuffers) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return conn, rw, err
	}
	early, err := rw.Reader.Peek(rw.Reader.Buffered())
	if err != nil || len(early) > socketBuffer {
		return conn, rw, nil // a client that is in a hurry keeps the big ones
	}
	r := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(bytes.Clone(early)), conn), socketBuffer)
	if len(early) > 0 {
		if _, err := r.Peek(len(early)); err != nil { // so that they count as buffered
			return conn, rw, nil
		}
	}
	return conn, bufio.NewReadWriter(r, bufio.NewWriterSize(conn, socketBuffer)), nil
}

// Unwrap returns the ResponseWriter inside, for http.ResponseController.
func (w smallBuffers) Unwrap() http.ResponseWriter { return w.ResponseWriter }
