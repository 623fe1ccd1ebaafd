package api

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// nowhere lets calls under /v1 that no endpoint takes fail as all others do: with
// application/problem+json.
func nowhere(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			if _, pattern := mux.Handler(r); pattern == "" {
				w = &problemWriter{w, r}
			}
		}
		mux.ServeHTTP(w, r)
	})
}

// problemWriter says in its own words what a mux has to say.
type problemWriter struct {
	http.ResponseWriter
	r *http.Request
}

// WriteHeader writes the whole answer.
func (w *problemWriter) WriteHeader(status int) {
	detail := "there is no endpoint with this path; /docs lists them"
	if status == http.StatusMethodNotAllowed {
		detail = "this path takes no " + w.r.Method + " but " + w.Header().Get("Allow")
	}
	b, _ := json.Marshal(huma.ErrorModel{Title: http.StatusText(status), Status: status, Detail: detail}) // strings always can
	w.Header().Set("Content-Type", "application/problem+json")
	w.ResponseWriter.WriteHeader(status)
	_, _ = w.ResponseWriter.Write(b)
}

// Write drops the mux's words.
func (w *problemWriter) Write(b []byte) (int, error) { return len(b), nil }
