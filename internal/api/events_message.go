package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"concord/events"
	"concord/internal/auth"
	"concord/internal/id"
	"concord/sync/wire"
)

const (
	// maxEventMessage is the limit in bytes for a message on an event connection.
	maxEventMessage = events.MaxData + 4<<10
	// maxMessageID is the limit in bytes for the ID that a client gives a message.
	maxMessageID = 128
	// maxReadIDs is how many events one message may tell to have been read.
	maxReadIDs = 1000
	// maxViewed is how many documents a screen may show.
	maxViewed = 256
	// maxListed is how many rooms or types one message may name.
	maxListed = 1000
)

// What clients say on an event connection. docs/asyncapi.yaml describes it for people.

type helloMessage struct {
	Type   string   `json:"type"`
	Device string   `json:"device"`
	Cursor string   `json:"cursor,omitempty"`
	Rooms  []string `json:"rooms,omitempty"`
	Types  []string `json:"types,omitempty"`
}

type subscribeMessage struct {
	Type  string   `json:"type"`
	ID    string   `json:"id,omitempty"`
	Rooms []string `json:"rooms"`
}

type unsubscribeMessage struct {
	Type  string   `json:"type"`
	ID    string   `json:"id,omitempty"`
	Rooms []string `json:"rooms"`
}

type ackMessage struct {
	Type   string `json:"type"`
	Cursor string `json:"cursor"`
}

type readMessage struct {
	Type string   `json:"type"`
	ID   string   `json:"id,omitempty"`
	IDs  []string `json:"ids"`
}

type typingMessage struct {
	Type     string `json:"type"`
	Document string `json:"document"`
	Field    string `json:"field"`
	Active   bool   `json:"active"`
}

type viewMessage struct {
	Type      string   `json:"type"`
	Documents []string `json:"documents"`
}

type tokenMessage struct {
	Type  string `json:"type"`
	Token string `json:"token"`
}

type pingMessage struct {
	Type string `json:"type"`
	ID   string `json:"id,omitempty"`
}

// clientMessages makes the messages of clients by their types.
var clientMessages = map[string]func() any{
	"hello":       func() any { return new(helloMessage) },
	"subscribe":   func() any { return new(subscribeMessage) },
	"unsubscribe": func() any { return new(unsubscribeMessage) },
	"ack":         func() any { return new(ackMessage) },
	"read":        func() any { return new(readMessage) },
	"typing":      func() any { return new(typingMessage) },
	"view":        func() any { return new(viewMessage) },
	"token":       func() any { return new(tokenMessage) },
	"ping":        func() any { return new(pingMessage) },
}

// What the server says. Over SSE a message's type is the name of its event, too.

type helloAnswer struct {
	Type      string             `json:"type"`
	User      string             `json:"user"`
	Company   string             `json:"company"`
	Device    string             `json:"device"`
	Cursor    string             `json:"cursor"`
	Recovered bool               `json:"recovered"`
	Rooms     []string           `json:"rooms"`
	Refused   []events.RoomError `json:"refused"`
	Presence  []string           `json:"presence"`
	Limits    eventLimits        `json:"limits"`
	Time      time.Time          `json:"time"`
}

// eventLimits tells clients what they may send.
type eventLimits struct {
	MessageBytes int `json:"messageBytes"`
	DataBytes    int `json:"dataBytes"`
	Rooms        int `json:"rooms"`
	Documents    int `json:"documents"`
	IDs          int `json:"ids"`
}

// eventAnswer is only described here: see appendEvent.
type eventAnswer struct {
	Type   string       `json:"type"`
	Cursor string       `json:"cursor,omitempty"`
	Event  events.Event `json:"event"`
}

type subscribedAnswer struct {
	Type    string             `json:"type"`
	ID      string             `json:"id,omitempty"`
	Rooms   []string           `json:"rooms"`
	Refused []events.RoomError `json:"refused"`
}

type unsubscribedAnswer struct {
	Type  string   `json:"type"`
	ID    string   `json:"id,omitempty"`
	Rooms []string `json:"rooms"`
}

type gapAnswer struct {
	Type      string `json:"type"`
	Cursor    string `json:"cursor"`
	Recovered bool   `json:"recovered"`
}

// cursorAnswer gives a client that has nothing to hear a recent cursor.
type cursorAnswer struct {
	Type   string `json:"type"`
	Cursor string `json:"cursor"`
}

type errorAnswer struct {
	Type       string  `json:"type"`
	ID         string  `json:"id,omitempty"`
	Code       string  `json:"code"`
	Message    string  `json:"message"`
	Limit      string  `json:"limit,omitempty"`
	RetryAfter float64 `json:"retryAfter,omitempty"` // seconds
}

type tokenAnswer struct {
	Type    string    `json:"type"`
	Expires time.Time `json:"expires"`
}

type pongAnswer struct {
	Type string `json:"type"`
	ID   string `json:"id,omitempty"`
}

// closeAnswer stands over SSE for the close code of a WebSocket.
type closeAnswer struct {
	Type    string         `json:"type"`
	Code    wire.CloseCode `json:"code"`
	Message string         `json:"message"`
}

// Codes of errors.
const (
	codeMalformed   = "malformed"
	codeUnknownType = "unknown-type"
	codeForbidden   = "forbidden"
	codeRateLimited = "rate-limited"
	codeTooLarge    = "too-large"
	codeUnavailable = "unavailable"
)

var errorCodes = []string{codeMalformed, codeUnknownType, codeForbidden, codeRateLimited, codeTooLarge, codeUnavailable}

// encodeMessage returns a message of the server's.
func encodeMessage(message any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(message); err != nil {
		panic("api: " + err.Error()) // a struct of ours has a field that can't be JSON
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// appendEvent appends an eventAnswer.
func appendEvent(b []byte, item events.Item) []byte {
	b = append(b, `{"type":"event",`...)
	if item.Cursor != "" {
		b = append(append(append(b, `"cursor":"`...), item.Cursor...), `",`...)
	}
	return append(append(append(b, `"event":`...), item.JSON...), '}')
}

// errNoMessage is returned for a frame that isn't a message at all.
var errNoMessage = wire.NewCloseError(wire.CloseMalformed, `a message is a JSON object with a type, such as {"type":"ping"}`)

// messageError says what is wrong with one message; the connection goes on.
type messageError struct{ code, id, message string }

func (e *messageError) Error() string { return e.message }

func malformed(id, format string, args ...any) error {
	return &messageError{codeMalformed, id, fmt.Sprintf(format, args...)}
}

// decodeMessage reads a message of a client. The error is a *wire.CloseError or a
// *messageError.
func decodeMessage(b []byte) (any, error) {
	var head struct{ Type, ID any }
	if !utf8.Valid(b) || json.Unmarshal(b, &head) != nil {
		return nil, errNoMessage
	}
	kind, ok := head.Type.(string)
	if !ok {
		return nil, errNoMessage
	}
	mid, _ := head.ID.(string)
	if len(mid) > maxMessageID {
		return nil, malformed("", "id has %d bytes, at most %d are allowed", len(mid), maxMessageID)
	}
	fresh := clientMessages[kind]
	if fresh == nil {
		return nil, &messageError{codeUnknownType, mid, fmt.Sprintf("there is no message of the type %.64q", kind)}
	}
	m := fresh()
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil {
		return nil, malformed(mid, "%s: %s", kind, explain(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errNoMessage
	}
	if err := checkMessage(m); err != "" {
		return nil, malformed(mid, "%s: %s", kind, err)
	}
	return m, nil
}

// explain says in words what encoding/json found.
func explain(err error) string {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return fmt.Sprintf("%s can't be a %s", wrong.Field, wrong.Value)
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

// checkMessage says what is missing in a message or too much; "" if nothing is.
// What rooms, types, devices and cursors look like, package events knows.
func checkMessage(m any) string {
	switch m := m.(type) {
	case *helloMessage:
		switch {
		case m.Device == "":
			return `device is missing: a name of the device's own, which stays the same, such as a random UUID`
		case len(m.Rooms) > maxListed, len(m.Types) > maxListed:
			return fmt.Sprintf("at most %d rooms and types can be named", maxListed)
		}
	case *subscribeMessage:
		return checkList("rooms", m.Rooms, maxListed)
	case *unsubscribeMessage:
		return checkList("rooms", m.Rooms, maxListed)
	case *ackMessage:
		if m.Cursor == "" {
			return "cursor is missing"
		}
	case *readMessage:
		return checkList("ids", m.IDs, maxReadIDs)
	case *typingMessage:
		if m.Document == "" || m.Field == "" {
			return "document and field are needed"
		}
	case *viewMessage:
		if len(m.Documents) > maxViewed {
			return fmt.Sprintf("%d documents, at most %d can be viewed", len(m.Documents), maxViewed)
		}
	case *tokenMessage:
		if m.Token == "" {
			return "token is missing"
		}
	}
	return ""
}

func checkList(name string, list []string, most int) string {
	if len(list) == 0 || len(list) > most {
		return fmt.Sprintf("%s has %d entries, 1 to %d are allowed", name, len(list), most)
	}
	return ""
}

// documentIn reads the ID of a document that a principal may open.
func documentIn(p auth.Principal, text string) (id.DocumentID, error) {
	doc, err := id.Parse(strings.TrimPrefix(text, "automerge:"))
	if err != nil {
		return doc, malformed("", "%.64q is no document ID: %v", text, err)
	}
	if !p.MayOpen(doc.String()) {
		return doc, &messageError{codeForbidden, "", fmt.Sprintf("the token doesn't open document %s", doc)}
	}
	return doc, nil
}
