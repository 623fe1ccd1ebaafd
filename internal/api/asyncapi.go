package api

import (
	"net/http"

	"concord/docs"
)

// serveAsyncAPI answers with the description of the event connections.
func serveAsyncAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(docs.AsyncAPI)
}
