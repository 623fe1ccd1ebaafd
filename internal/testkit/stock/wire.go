package stock

import (
	"encoding/base64"
	"time"
)

// Ephemeral is a received ephemeral message.
type Ephemeral struct {
	URL      string
	SenderID string
	Message  any
}

// Broadcast sends an ephemeral message about a document.
func (c *Client) Broadcast(url string, message any) {
	c.tb.Helper()
	c.call("broadcast", map[string]any{"url": url, "message": message}, nil)
}

// Ephemerals returns all ephemeral messages that the client's documents have received.
func (c *Client) Ephemerals() []Ephemeral {
	c.tb.Helper()
	var r struct{ Messages []Ephemeral }
	c.call("ephemerals", nil, &r)
	return r.Messages
}

// StartPresence begins to tell others a state by automerge-repo's Presence, which only V2 has. A peer that isn't heard of
// for ttl is forgotten.
func (c *Client) StartPresence(url string, state map[string]any, heartbeat, ttl time.Duration) {
	c.tb.Helper()
	c.call("startPresence", map[string]any{"url": url, "state": state, "heartbeat": heartbeat.Milliseconds(), "ttl": ttl.Milliseconds()}, nil)
}

// SetPresence changes one channel of the state.
func (c *Client) SetPresence(url, channel string, value any) {
	c.tb.Helper()
	c.call("setPresence", map[string]any{"url": url, "channel": channel, "value": value}, nil)
}

// StopPresence says goodbye.
func (c *Client) StopPresence(url string) {
	c.tb.Helper()
	c.call("stopPresence", map[string]any{"url": url}, nil)
}

// Presence returns the others' states by peer ID.
func (c *Client) Presence(url string) map[string]any {
	c.tb.Helper()
	var r struct{ States map[string]any }
	c.call("presence", map[string]any{"url": url}, &r)
	return r.States
}

// RemoteHeads is news of what another storage holds.
type RemoteHeads struct {
	URL       string
	StorageID string
	Heads     []string // as the generation shows them: hex in V1, base58check in V2
}

// SubscribeRemotes asks for news of other storages.
func (c *Client) SubscribeRemotes(storageIDs ...string) {
	c.tb.Helper()
	c.call("subscribeRemotes", map[string]any{"storageIds": storageIDs}, nil)
}

// RemoteHeads returns all such news so far.
func (c *Client) RemoteHeads() []RemoteHeads {
	c.tb.Helper()
	var r struct{ Events []RemoteHeads }
	c.call("remoteHeads", nil, &r)
	return r.Events
}

// Identity holds a client's names and those of the server it last joined.
type Identity struct {
	PeerID, StorageID             string
	ServerPeerID, ServerStorageID string
}

// Identity returns who the client is and whom it talks to.
func (c *Client) Identity() Identity {
	c.tb.Helper()
	var r Identity
	c.call("identity", nil, &r)
	return r
}

// Leave sends the protocol's leave message; the socket stays.
func (c *Client) Leave() { c.tb.Helper(); c.call("leave", nil, nil) }

// Join sends the join message again on the open socket.
func (c *Client) Join() { c.tb.Helper(); c.call("join", nil, nil) }

// Close is how a connection ended.
type Close struct {
	Code   int
	Reason string
}

// Stats counts what went over the client's sockets: messages and their bytes, without WebSocket headers.
type Stats struct {
	Connects, Peers         int
	MessagesIn, MessagesOut int
	BytesIn, BytesOut       int
	Errors                  []string
	Closes                  []Close
}

// Stats returns the counters.
func (c *Client) Stats() Stats {
	c.tb.Helper()
	var r Stats
	c.call("stats", nil, &r)
	return r
}

// Message is one message that went over the client's socket.
type Message struct {
	Direction          string // "in" or "out"
	Type               string
	DocumentID         string
	SenderID, TargetID string
	Text               string   // of an error message
	Bytes              int      // of the whole message
	DataBytes          int      // of a sync message's data
	Version            int      // of a sync message: 1 or 2
	Heads              []string // of a sync message
	Changes            int      // of a sync message: how many parts its changes field has
}

// Messages returns the newest messages, at most 400, oldest first.
func (c *Client) Messages() []Message {
	c.tb.Helper()
	var r struct{ Messages []Message }
	c.call("messages", nil, &r)
	return r.Messages
}

// DecodeFrame decodes a frame with the packages' own CBOR reader. Byte strings come as {"$bytes": base64}, a BigInt as
// {"$bigint": …}, undefined as {"$undefined": true}, other classes as {"$class": name}.
func (p *Process) DecodeFrame(frame []byte) (map[string]any, error) {
	var r struct{ Message map[string]any }
	err := p.Call("decode", map[string]any{"frame": base64.StdEncoding.EncodeToString(frame)}, &r, 0)
	return r.Message, err
}
