package api

import (
	"context"

	"slices"

	"concord/events"
	"concord/internal/auth"
	"concord/internal/id"
	"concord/sync/wire"
)

// handle does what a message of the client's asks for. A *wire.CloseError ends the
// connection; other errors are told.
func (e *eventSocket) handle(ctx context.Context, m any) error {
	switch m := m.(type) {
	case *subscribeMessage:
		refused := e.feed.Subscribe(m.Rooms)
		return e.write(encodeMessage(subscribedAnswer{"subscribed", m.ID, without(m.Rooms, refused), append([]events.RoomError{}, refused...)}))
	case *unsubscribeMessage:
		e.feed.Unsubscribe(m.Rooms)
		return e.write(encodeMessage(unsubscribedAnswer{"unsubscribed", m.ID, m.Rooms}))
	case *ackMessage:
		return e.server.opts.Events.Ack(ctx, e.listener(), m.Cursor)
	case *readMessage:
		return e.server.opts.Events.Seen(ctx, e.listener(), m.IDs)
	case *typingMessage:
		return e.typed(m)
	case *viewMessage:
		return e.view(m)
	case *tokenMessage:
		return e.refresh(ctx, m)
	case *pingMessage:
		return e.write(encodeMessage(pongAnswer{"pong", m.ID}))
	}
	return malformed("", "there has been a hello already")
}

// without returns the rooms that weren't refused.
func without(rooms []string, refused []events.RoomError) []string {
	return slices.DeleteFunc(slices.Clone(rooms), func(room string) bool {
		return slices.ContainsFunc(refused, func(r events.RoomError) bool { return r.Room == room })
	})
}

// typed tells others that the user types.
func (e *eventSocket) typed(m *typingMessage) error {
	doc, err := documentIn(e.seat.current(), m.Document)
	if err != nil {
		return err
	}
	if err := e.typing.Allow(1); err != nil {
		return err
	}
	return e.visit.Typing(doc, m.Field, m.Active)
}

// view notes which documents the client shows.
func (e *eventSocket) view(m *viewMessage) error {
	viewed := make(map[id.DocumentID]bool, len(m.Documents))
	p := e.seat.current()
	for _, text := range m.Documents {
		doc, err := documentIn(p, text)
		if err != nil {
			return err
		}
		viewed[doc] = true
	}
	for doc := range e.viewed {
		if !viewed[doc] {
			e.visit.Shut(doc)
		}
	}
	for doc := range viewed {
		e.visit.Open(doc)
	}
	e.viewed = viewed
	return nil
}

// refresh takes a newer token for the open connection.
func (e *eventSocket) refresh(ctx context.Context, m *tokenMessage) error {
	p, err := e.server.opts.Authenticator.Verifier.Verify(ctx, m.Token)
	if err != nil {
		return &messageError{code: codeForbidden, message: auth.PublicMessage(err)}
	}
	old := e.seat.current()
	if p.Company != old.Company || p.User != old.User {
		return &messageError{code: codeForbidden, message: "the token is another user's; open a connection of its own for it"}
	}
	if !samePowers(p, old) {
		return wire.NewCloseError(wire.CloseTryLater, "the new token grants other rights; connect again with it")
	}
	if err := e.seat.renew(p); err != nil {
		return err
	}
	return e.write(encodeMessage(tokenAnswer{"token", p.Deadline.UTC()}))
}

// samePowers reports whether a token can take the place of another one of the same
// user on an open connection.
func samePowers(a, b auth.Principal) bool {
	return a.Role == b.Role && slices.Equal(a.Roles, b.Roles) && slices.Equal(a.Docs, b.Docs) && (a.Docs == nil) == (b.Docs == nil)
}

// messageID returns the ID that a client gave its message.
func messageID(m any) string {
	switch m := m.(type) {
	case *subscribeMessage:
		return m.ID
	case *unsubscribeMessage:
		return m.ID
	case *readMessage:
		return m.ID
	case *pingMessage:
		return m.ID
	}
	return ""
}

// message is something that a client is told.
type message struct {
	kind   string
	cursor string // "" = it has no place in the log
	body   []byte // valid during the call
}

// teller puts batches of the log into messages.
type teller struct {
	at  string // up to where the client was told everything
	buf []byte
}

// tell calls write for each message of a batch.
func (t *teller) tell(batch events.Batch, write func(message) error) error {
	if batch.Gap {
		if len(batch.Items) == 0 {
			t.at = batch.Cursor
		}
		// Whoever comes back with it misses nothing of the rest.
		if err := write(message{"gap", t.at, encodeMessage(gapAnswer{Type: "gap", Cursor: t.at})}); err != nil {
			return err
		}
	}
	for _, item := range batch.Items {
		t.buf = appendEvent(t.buf[:0], item)
		if err := write(message{"event", item.Cursor, t.buf}); err != nil {
			return err
		}
	}
	if len(batch.Items) == 0 && !batch.Gap {
		if err := write(message{"cursor", batch.Cursor, encodeMessage(cursorAnswer{"cursor", batch.Cursor})}); err != nil {
			return err
		}
	}
	t.at = batch.Cursor
	return nil
}
