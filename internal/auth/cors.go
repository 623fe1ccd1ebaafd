package auth

import (
	"encoding/json"
	"net/http"
)

// What pages of allowed origins may send and read.
const (
	corsMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	corsHeaders = "Authorization, Content-Type, Accept, If-Match, If-None-Match, Idempotency-Key, Last-Event-ID, Concord-Storage-Id"
	corsExposed = "Concord-Refused, Content-Disposition, ETag, Link, Location, Retry-After, WWW-Authenticate"
	corsMaxAge  = "600" // seconds that a browser keeps a preflight's answer
)

const originRefused = "Pages of this origin may not use this server. Add the origin to --allow-origin (CONCORD_ALLOW_ORIGIN); " +
	"if the page comes from this very server, have the proxy in front pass on the Host header."

// CORS answers preflights and adds the headers that let an allowed origin's
// pages read what next answers. Requests from other origins get 403 and don't
// reach next. Credentials are never cookies, so credentialed requests aren't
// allowed for.
func (o Origins) CORS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin")
		origin := r.Header.Get("Origin")
		preflight := origin != "" && r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
		if preflight {
			h.Add("Vary", "Access-Control-Request-Method")
			h.Add("Vary", "Access-Control-Request-Headers")
		}
		if !o.Allowed(r) {
			forbid(w)
			return
		}
		if origin != "" {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Expose-Headers", corsExposed)
		}
		if !preflight {
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Methods", corsMethods)
		h.Set("Access-Control-Allow-Headers", corsHeaders)
		h.Set("Access-Control-Max-Age", corsMaxAge)
		w.WriteHeader(http.StatusNoContent)
	})
}

// forbid answers with a problem document (RFC 9457).
func forbid(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusForbidden)
	json.NewEncoder(w).Encode(map[string]any{
		"title":  "Origin not allowed",
		"status": http.StatusForbidden,
		"detail": originRefused,
	})
}
