package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/coder/websocket"

	"concord/internal/auth"
	"concord/internal/id"
	"concord/sync/hub"
	"concord/sync/wire"
)

// serveSync upgrades a connection and syncs documents over it until it ends.
func (s *Server) serveSync(w http.ResponseWriter, r *http.Request) {
	s.accept(w, r, s.serveSocket)
}

// accept upgrades a connection and serves it until it ends. A refusal is told
// inside the WebSocket, as a close code with a reason: browsers show nothing of an
// HTTP answer.
func (s *Server) accept(w http.ResponseWriter, r *http.Request, serve func(*socket, auth.Principal)) {
	release, free := s.opts.Connections.Acquire(s.opts.Proxies.ClientIP(r))
	served := false
	defer func() {
		if free && !served {
			release()
		}
	}()
	var principal auth.Principal
	var refused *wire.CloseError
	if !free {
		refused = wire.NewCloseError(wire.CloseTooMany, "too many connections from this address; close some first")
	} else if p, _, err := s.opts.Authenticator.Authenticate(r); err != nil {
		refused = closeFor(err)
		s.log.Info("connection refused", "error", auth.PublicMessage(err), causeOf(err))
	} else {
		principal = p
	}

	conn, err := websocket.Accept(smallBuffers{w}, r, &websocket.AcceptOptions{
		Subprotocols:       []string{auth.Subprotocol},
		InsecureSkipVerify: true, // the CORS handler has checked the origin
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		s.log.Debug("no WebSocket", "error", err)
		return
	}
	socket := newSocket(conn, s.frames)
	if refused != nil {
		s.refusals.WithLabelValues(closeLabel(refused.Code)).Inc()
		socket.Close(refused.Code, refused.Reason)
		return
	}
	// The handler returns, so that the request and the stack that it has grown
	// are not kept for as long as the connection lives.
	served = true
	go func() {
		defer release()
		serve(socket, principal)
	}()
}

// causeOf returns what the log is to know of a refused credential besides what
// its sender is told; empty if there is nothing.
func causeOf(err error) slog.Attr {
	var ae *auth.Error
	if errors.As(err, &ae) && ae.Cause == nil {
		return slog.Attr{}
	} else if ae != nil {
		err = ae.Cause
	}
	return slog.Any("cause", err)
}

func (s *Server) serveSocket(socket *socket, p auth.Principal) {
	session := Session(p)
	s.log.Info("connected", "company", session.Company, "user", session.User)
	socket.keepAlive(s.opts.PingInterval, s.opts.PingTimeout)
	defer func() {
		// A fault of ours in one client's message must not end everybody's node.
		if r := recover(); r != nil {
			s.log.Error("panic", "company", session.Company, "user", session.User, "panic", r, "stack", string(debug.Stack()))
			socket.Close(wire.CloseTryLater, "the server failed on a message; its log says why")
		}
	}()
	err := s.opts.Hub.Serve(context.Background(), socket, session)
	s.log.Info("disconnected", "company", session.Company, "user", session.User, "cause", endOf(err))
}

// Session returns what the hub has to know of a principal.
func Session(p auth.Principal) hub.Session {
	session := hub.Session{
		Company: p.Company, User: p.User, TokenID: p.TokenID, IssuedAt: p.IssuedAt,
		Expires: p.Deadline, ReadOnly: !p.CanWrite(), Roles: p.AllRoles(),
	}
	if p.Docs != nil {
		session.MayOpen = func(doc id.DocumentID) bool { return p.MayOpen(doc.String()) }
	}
	return session
}

// principalOf returns what of a session a revocation may concern.
func principalOf(s hub.Session) auth.Principal {
	return auth.Principal{Company: s.Company, User: s.User, TokenID: s.TokenID, IssuedAt: s.IssuedAt}
}

// Revoked returns the hub's look at the revocations, see hub.Options.Revoked.
func Revoked(r *auth.Revocations) func(hub.Session) bool {
	return func(s hub.Session) bool { return r.Revoked(principalOf(s)) }
}

// endOf describes the end of a connection without anything that the client sent.
func endOf(err error) string {
	var ce *wire.CloseError
	if errors.As(err, &ce) {
		return ce.Error()
	}
	return "the client went away"
}
