package stock

import (
	"testing"
	"time"
)

// ClientOptions says how a client connects and where it keeps its documents.
type ClientOptions struct {
	URL       string        // of the sync endpoint, ws://…
	TicketURL string        // where each connection attempt gets its ticket; "" means the URL alone suffices
	Token     string        // JWT that pays for the tickets
	Storage   string        // folder of the nodefs adapter; "" means none, and the client calls itself ephemeral
	PeerID    string        // "" means a random one
	Retry     time.Duration // between connection attempts; 0 means 100 ms (the stock default is 5 s)
	Gossip    bool          // enableRemoteHeadsGossiping
	Offline   bool          // begin without a connection
	Bare      bool          // the stock adapter itself, with nothing around it: URL alone counts, no counters, no way offline
}

// Client is one repo in a driver process. Its methods fail the test when the driver reports an error, and are called
// from the test's goroutine.
type Client struct {
	tb   testing.TB
	p    *Process
	name string
}

// Patience is how long a waiting call waits unless told otherwise.
const Patience = 20 * time.Second

// Client opens a client that closes with the test. The name is unique within the test.
func (p *Process) Client(tb testing.TB, name string, o ClientOptions) *Client {
	tb.Helper()
	c := &Client{tb: tb, p: p, name: tb.Name() + "/" + name}
	c.Reopen(o)
	tb.Cleanup(func() {
		// The process may have been stopped by the test; then nothing is left to close.
		_ = p.Call("close", map[string]any{"client": c.name, "abrupt": true}, nil, 0)
	})
	return c
}

// Reopen opens the client again after Close.
func (c *Client) Reopen(o ClientOptions) {
	c.tb.Helper()
	args := map[string]any{"url": o.URL, "gossip": o.Gossip, "offline": o.Offline, "bare": o.Bare}
	for key, value := range map[string]string{"ticketURL": o.TicketURL, "token": o.Token, "storage": o.Storage, "peerId": o.PeerID} {
		if value != "" {
			args[key] = value
		}
	}
	if o.Retry > 0 {
		args["retry"] = o.Retry.Milliseconds()
	}
	c.call("open", args, nil)
}

func (c *Client) call(command string, args map[string]any, result any) {
	c.tb.Helper()
	if err := c.try(command, args, result, 0); err != nil {
		c.tb.Fatalf("client %s: %v", c.name, err)
	}
}

// wait is call for a command that waits in the driver, up to d.
func (c *Client) wait(command string, args map[string]any, result any, d time.Duration) {
	c.tb.Helper()
	args["timeout"] = d.Milliseconds()
	if err := c.try(command, args, result, d); err != nil {
		c.tb.Fatalf("client %s: %v", c.name, err)
	}
}

func (c *Client) try(command string, args map[string]any, result any, patience time.Duration) error {
	if args == nil {
		args = map[string]any{}
	}
	args["client"] = c.name
	return c.p.Call(command, args, result, patience)
}

// Name returns the client's name in its driver.
func (c *Client) Name() string { return c.name }

// Generation returns the package versions that the client runs on.
func (c *Client) Generation() Generation { return c.p.Generation }

// Close saves to storage, sync states too, and ends the client.
func (c *Client) Close() { c.tb.Helper(); c.call("close", nil, nil) }

// Abandon ends the client without saving, as a closed browser tab does.
func (c *Client) Abandon() { c.tb.Helper(); c.call("close", map[string]any{"abrupt": true}, nil) }

// Connect lets the client connect again after Disconnect.
func (c *Client) Connect() { c.tb.Helper(); c.call("connect", nil, nil) }

// Disconnect takes the client offline with a WebSocket close.
func (c *Client) Disconnect() { c.tb.Helper(); c.call("disconnect", nil, nil) }

// Unplug takes the client offline by dropping its TCP connection.
func (c *Client) Unplug() {
	c.tb.Helper()
	c.call("disconnect", map[string]any{"how": "terminate"}, nil)
}

// Drop drops the TCP connection; the adapter comes back by itself.
func (c *Client) Drop() { c.tb.Helper(); c.call("drop", nil, nil) }

// WaitConnected waits until the client has joined at least times times in all, and is connected.
func (c *Client) WaitConnected(times int) {
	c.tb.Helper()
	c.wait("waitConnected", map[string]any{"peers": times}, nil, Patience)
}

// SetToken changes the JWT for the next attempts.
func (c *Client) SetToken(token string) {
	c.tb.Helper()
	c.call("setToken", map[string]any{"token": token}, nil)
}

// Create makes a document with the given map as its value (nil means empty) and returns its URL.
func (c *Client) Create(value any) string {
	c.tb.Helper()
	var r struct{ URL string }
	args := map[string]any{}
	if value != nil {
		args["value"] = value
	}
	c.call("create", args, &r)
	return r.URL
}

// Find asks for a document and waits until it is ready or unavailable; it returns which.
func (c *Client) Find(url string) string {
	c.tb.Helper()
	var r struct{ State string }
	c.wait("find", map[string]any{"url": url}, &r, Patience)
	return r.State
}

// FindReady finds a document that must become ready; being unavailable for a while is no fault.
func (c *Client) FindReady(url string) {
	c.tb.Helper()
	c.wait("find", map[string]any{"url": url, "states": []string{"ready"}}, nil, Patience)
}

// WaitReady waits until a document that was asked for is ready.
func (c *Client) WaitReady(url string) {
	c.tb.Helper()
	c.wait("whenState", map[string]any{"url": url, "states": []string{"ready"}}, nil, Patience)
}

// State returns the state of a document that was asked for.
func (c *Client) State(url string) string {
	c.tb.Helper()
	var r struct{ State string }
	c.call("state", map[string]any{"url": url}, &r)
	return r.State
}

// Change makes one change of the given edits.
func (c *Client) Change(url string, edits ...Edit) {
	c.tb.Helper()
	c.call("change", map[string]any{"url": url, "edits": edits}, nil)
}

// ChangeSaying makes one change of the given edits, with a message.
func (c *Client) ChangeSaying(url, message string, edits ...Edit) {
	c.tb.Helper()
	c.call("change", map[string]any{"url": url, "edits": edits, "message": message}, nil)
}

// ChangeMany makes n changes that reach the repo as one update.
func (c *Client) ChangeMany(url string, n int, edits ...Edit) {
	c.tb.Helper()
	c.call("change", map[string]any{"url": url, "edits": edits, "repeat": n}, nil)
}

// EmptyChange makes a change without operations. The client doesn't send it before something else makes it talk.
func (c *Client) EmptyChange(url, message string) {
	c.tb.Helper()
	c.call("emptyChange", map[string]any{"url": url, "message": message}, nil)
}

// Get returns the document, freshly loaded from its bytes, as tagged JSON.
func (c *Client) Get(url string) map[string]any {
	c.tb.Helper()
	var r struct{ Value map[string]any }
	c.call("get", map[string]any{"url": url}, &r)
	return r.Value
}

// Heads returns the document's heads as sorted hex.
func (c *Client) Heads(url string) []string {
	c.tb.Helper()
	var r struct{ Heads []string }
	c.call("heads", map[string]any{"url": url}, &r)
	return r.Heads
}

// WaitHeads waits until the document has exactly these heads.
func (c *Client) WaitHeads(url string, heads []string) {
	c.tb.Helper()
	c.wait("waitForHeads", map[string]any{"url": url, "heads": heads}, nil, Patience)
}

// History returns the number of changes in the document.
func (c *Client) History(url string) int {
	c.tb.Helper()
	var r struct{ Changes int }
	c.call("history", map[string]any{"url": url}, &r)
	return r.Changes
}

// SavedBytes returns the size of the document as the client saves it.
func (c *Client) SavedBytes(url string) int {
	c.tb.Helper()
	var r struct{ Bytes int }
	c.call("savedBytes", map[string]any{"url": url}, &r)
	return r.Bytes
}

// TextMark is a mark on a text; positions are the client's own units (UTF-16).
type TextMark struct {
	Name  string
	Value any
	Start int
	End   int
}

// Marks returns the marks of the text at path.
func (c *Client) Marks(url string, path Path) []TextMark {
	c.tb.Helper()
	var r struct{ Marks []TextMark }
	c.call("marks", map[string]any{"url": url, "path": path}, &r)
	return r.Marks
}

// Conflicts returns all values at path by operation ID; empty means no conflict.
func (c *Client) Conflicts(url string, path Path) map[string]any {
	c.tb.Helper()
	var r struct{ Values map[string]any }
	c.call("conflicts", map[string]any{"url": url, "path": path}, &r)
	return r.Values
}
