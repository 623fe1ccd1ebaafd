package wire

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// CloseCode is a WebSocket close code (RFC 6455 §7.4).
type CloseCode uint16

// The codes with which a Concord server closes a connection. 44xx are final
// for the token in use; after the others a client comes back, with backoff
// and jitter.
const (
	CloseRestarting      CloseCode = 1012 // the server shuts down or restarts
	CloseTryLater        CloseCode = 1013 // the server can't take the connection for a while
	CloseMalformed       CloseCode = 4400 // a frame or sync message couldn't be decoded, or broke the protocol
	CloseUnauthenticated CloseCode = 4401 // no valid token, or it expired or was revoked
	CloseForbidden       CloseCode = 4403 // the token doesn't allow this
	CloseHandshake       CloseCode = 4408 // no join within the handshake timeout
	CloseReplaced        CloseCode = 4409 // a newer connection of the same peer took over
	CloseTooLarge        CloseCode = 4413 // a message above the size limit
	CloseTooMany         CloseCode = 4429 // too many messages, documents or connections
)

// Final reports whether a client has to do something else than come back with the same token.
func (c CloseCode) Final() bool { return c >= 4400 && c <= 4499 }

// MaxCloseReason is the room for a reason in a WebSocket close frame: a
// control frame holds 125 bytes, the code takes 2.
const MaxCloseReason = 123

// CloseError is the end of a connection, as the peer sees it.
type CloseError struct {
	Code   CloseCode
	Reason string // valid UTF-8, at most MaxCloseReason bytes, shown to the peer
}

// NewCloseError returns a CloseError whose reason is cut, between characters, to what a close frame holds.
func NewCloseError(code CloseCode, reason string) *CloseError {
	return &CloseError{Code: code, Reason: cutReason(reason)}
}

func (e *CloseError) Error() string { return fmt.Sprintf("close %d: %s", e.Code, e.Reason) }

// CloseFor returns how to close the peer whose frame made Decode return err.
// It returns nil for nil and for ErrUnknownType, where the peer stays.
func CloseFor(err error) *CloseError {
	switch {
	case err == nil, errors.Is(err, ErrUnknownType):
		return nil
	case errors.Is(err, ErrTooLarge):
		return NewCloseError(CloseTooLarge, err.Error())
	default:
		return NewCloseError(CloseMalformed, err.Error())
	}
}

func cutReason(s string) string {
	const more = "…"
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= MaxCloseReason {
		return s
	}
	end := MaxCloseReason - len(more)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + more
}
