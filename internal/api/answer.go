package api

import (
	"net/http"
	"time"
)

// writeStep is how much of an answer a client has to take in Options.WriteTimeout.
const writeStep = 64 << 10

// bounded lets clients take their answers slowly, but not for ever: an answer that
// nobody takes would stay in memory.
func bounded(next http.Handler, timeout time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // of the answer before
		next.ServeHTTP(&boundedWriter{ResponseWriter: w, timeout: timeout}, r)
	})
}

type boundedWriter struct {
	http.ResponseWriter
	timeout time.Duration
}

// extend gives the client its time anew.
func (w *boundedWriter) extend() {
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(w.timeout))
}

// WriteHeader writes the status.
func (w *boundedWriter) WriteHeader(status int) {
	w.extend()
	w.ResponseWriter.WriteHeader(status)
}

// Write writes step by step.
func (w *boundedWriter) Write(b []byte) (n int, err error) {
	for err == nil && n < len(b) {
		var wrote int
		w.extend()
		wrote, err = w.ResponseWriter.Write(b[n:min(n+writeStep, len(b))])
		n += wrote
	}
	return n, err
}

// Unwrap returns the ResponseWriter inside, for http.ResponseController.
func (w *boundedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
