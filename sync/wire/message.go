package wire

import (
	"fmt"
	"slices"

	"concord/internal/id"
)

// ProtocolVersion is the one version of the protocol that this package speaks.
const ProtocolVersion = "1"

// The values of the field "type".
const (
	TypeJoin                     = "join"
	TypePeer                     = "peer"
	TypeError                    = "error"
	TypeSync                     = "sync"
	TypeRequest                  = "request"
	TypeDocUnavailable           = "doc-unavailable"
	TypeEphemeral                = "ephemeral"
	TypeLeave                    = "leave"
	TypeRemoteSubscriptionChange = "remote-subscription-change"
	TypeRemoteHeadsChanged       = "remote-heads-changed"
	TypeToken                    = "concord-token"
	TypeTokenAnswer              = "concord-token-answer"
)

// Message is one of the message structs of this package, as a value.
type Message interface {
	// Type returns the value of the field "type".
	Type() string
	// Sender returns the field "senderId"; only a Token may have none ("").
	Sender() string
	// Append appends the message's frame to dst.
	Append(dst []byte) []byte
}

// Targeted is a message with a receiver. Its frame ends with the field
// "targetId", so that everything before it can be shared, see Share.
type Targeted interface {
	Message
	// Target returns the field "targetId", "" if the frame has none.
	Target() string
	// appendShared appends the frame up to and including the key "targetId".
	appendShared(dst []byte) []byte
}

// PeerMetadata tells how a peer stores documents.
type PeerMetadata struct {
	// StorageID names the peer's storage across connections and restarts,
	// usually a UUID; "" if it has none. It is chosen by the peer: never use
	// it as a file name.
	StorageID string
	// Ephemeral says that the peer's sync state isn't worth keeping.
	Ephemeral bool
}

// Join is a client's first frame.
type Join struct {
	SenderID string
	Metadata PeerMetadata
	// Versions are the protocol versions that the client speaks; nil, when
	// the field is absent, means version 1 alone.
	Versions []string
}

// Speaks reports whether the client speaks a protocol version.
func (m Join) Speaks(version string) bool {
	if m.Versions == nil {
		return version == "1"
	}
	return slices.Contains(m.Versions, version)
}

// Peer is the server's answer to a Join.
type Peer struct {
	SenderID, TargetID string
	Metadata           PeerMetadata
	Version            string // the selected protocol version
}

// Error is the server's answer to a Join that it refuses; it closes the connection after it.
type Error struct {
	SenderID, TargetID string
	Message            string
}

// Sync carries an Automerge sync message from a peer that has, or may have, the document.
type Sync struct {
	SenderID, TargetID string
	Document           id.DocumentID
	Data               []byte // never empty
}

// Request is a Sync from a peer that has nothing of the document and asks whether the receiver has it.
type Request struct {
	SenderID, TargetID string
	Document           id.DocumentID
	Data               []byte // never empty
}

// DocUnavailable answers a Request: neither the sender nor its other peers have the document.
type DocUnavailable struct {
	SenderID, TargetID string
	Document           id.DocumentID
}

// Ephemeral is relayed to the peers that have the document open, and never stored.
type Ephemeral struct {
	// SenderID is the author, also in a relayed message.
	SenderID, TargetID string
	Document           id.DocumentID
	// SessionID and Count number the author's messages: within a session a
	// message whose count isn't above the last one seen is a repeat. Stock
	// clients count from 1; at most 2^53.
	SessionID string
	Count     uint64
	Data      []byte // one CBOR item, not looked into; never empty
}

// Leave ends a peer's presence; the socket stays open.
type Leave struct {
	SenderID string
}

// RemoteSubscriptionChange adds and removes storage IDs whose heads the sender wants to hear of.
type RemoteSubscriptionChange struct {
	SenderID, TargetID string
	Add, Remove        []string // nil if absent
}

// RemoteHeadsChanged tells subscribers which heads other storages hold of a document.
type RemoteHeadsChanged struct {
	SenderID, TargetID string
	Document           id.DocumentID
	NewHeads           []StorageHeads // one per storage ID, in the frame's order
}

// StorageHeads are the heads of a document in one peer's storage.
type StorageHeads struct {
	StorageID string
	Heads     [][id.HashSize]byte
	Timestamp uint64 // milliseconds since 1970, at most 2^53
}

// Token replaces the token of an open connection before it expires, so that
// the connection needn't be made again. It belongs to Concord, not to the
// automerge-repo protocol; a stock server drops it as an unknown type.
//
//	{type: "concord-token", token: string, senderId?: string}
//
// The server answers with a TokenAnswer. Formatting a Token never shows the token.
type Token struct {
	SenderID string // "" if absent
	Token    string
}

// TokenAnswer answers a Token. A refused token changes nothing: the connection
// lives until the token that it has expires.
//
//	{type: "concord-token-answer", senderId, targetId, accepted: bool, expires?: number, message?: string}
type TokenAnswer struct {
	SenderID, TargetID string
	Accepted           bool
	Expires            uint64 // milliseconds since 1970, when accepted; 0 if absent
	Message            string // why it was refused, for people; "" if absent
}

func (Join) Type() string                     { return TypeJoin }
func (Peer) Type() string                     { return TypePeer }
func (Error) Type() string                    { return TypeError }
func (Sync) Type() string                     { return TypeSync }
func (Request) Type() string                  { return TypeRequest }
func (DocUnavailable) Type() string           { return TypeDocUnavailable }
func (Ephemeral) Type() string                { return TypeEphemeral }
func (Leave) Type() string                    { return TypeLeave }
func (RemoteSubscriptionChange) Type() string { return TypeRemoteSubscriptionChange }
func (RemoteHeadsChanged) Type() string       { return TypeRemoteHeadsChanged }
func (Token) Type() string                    { return TypeToken }
func (TokenAnswer) Type() string              { return TypeTokenAnswer }

func (m Join) Sender() string                     { return m.SenderID }
func (m Peer) Sender() string                     { return m.SenderID }
func (m Error) Sender() string                    { return m.SenderID }
func (m Sync) Sender() string                     { return m.SenderID }
func (m Request) Sender() string                  { return m.SenderID }
func (m DocUnavailable) Sender() string           { return m.SenderID }
func (m Ephemeral) Sender() string                { return m.SenderID }
func (m Leave) Sender() string                    { return m.SenderID }
func (m RemoteSubscriptionChange) Sender() string { return m.SenderID }
func (m RemoteHeadsChanged) Sender() string       { return m.SenderID }
func (m Token) Sender() string                    { return m.SenderID }
func (m TokenAnswer) Sender() string              { return m.SenderID }

func (m Peer) Target() string                     { return m.TargetID }
func (m Error) Target() string                    { return m.TargetID }
func (m Sync) Target() string                     { return m.TargetID }
func (m Request) Target() string                  { return m.TargetID }
func (m DocUnavailable) Target() string           { return m.TargetID }
func (m Ephemeral) Target() string                { return m.TargetID }
func (m RemoteSubscriptionChange) Target() string { return m.TargetID }
func (m RemoteHeadsChanged) Target() string       { return m.TargetID }
func (m TokenAnswer) Target() string              { return m.TargetID }

// Format keeps the token out of every text.
func (m Token) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "{%q [token withheld]}", m.SenderID) }

// MarshalText keeps the token out of JSON, which is how logs are written.
func (m Token) MarshalText() ([]byte, error) { return []byte(fmt.Sprint(m)), nil }
