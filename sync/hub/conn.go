package hub

import (
	"context"
	"slices"
	"time"

	"concord/internal/id"
	"concord/sync/wire"
)

// Conn carries whole binary frames to and from one client.
type Conn interface {
	// Read returns the next frame of at most max bytes. It returns a
	// *wire.CloseError when the client broke a rule, with which the hub then
	// closes, and the one of the first Close when the connection was closed.
	Read(max int) (Frame, error)
	// Write sends one frame in two parts, of which tail may be nil. The parts
	// are not modified: head may be on its way to other clients, too.
	Write(ctx context.Context, head, tail []byte) error
	// Close ends the connection with a code and a reason that the client sees.
	// It may be called at any time and any number of times; the first call counts.
	Close(code wire.CloseCode, reason string)
}

// Pulsing is a Conn that notices its client also when that has nothing to say.
type Pulsing interface {
	// OnPulse has fn called now and then for as long as the client is there.
	OnPulse(fn func())
}

// Frame is one received message.
type Frame struct {
	Data []byte
	// Release gives back the memory budget that the frame holds; nil when it
	// holds none. Data must not be used afterwards.
	Release func()
}

func (f Frame) release() {
	if f.Release != nil {
		f.Release()
	}
}

// Session is what a verified token says about the client of a connection.
type Session struct {
	Company  string // tenant: documents and peers of other companies don't exist for this one
	User     string
	TokenID  string    // empty when the token has no ID
	IssuedAt time.Time // zero when the token doesn't say
	Expires  time.Time // the connection closes with 4401 then; zero = never
	ReadOnly bool      // changes from this client are neither merged nor relayed
	Roles    []string  // what guards know of the user: the token's role and roles, without 0x00 in them
	// MayOpen narrows the session to some documents; nil = all of the company.
	MayOpen func(id.DocumentID) bool
}

// samePowers reports whether a refreshed token may replace s on an open
// connection without a reconnect.
func (s Session) samePowers(other Session) bool {
	return s.Company == other.Company && s.User == other.User && s.ReadOnly == other.ReadOnly &&
		slices.Equal(s.Roles, other.Roles) && s.MayOpen == nil && other.MayOpen == nil
}
