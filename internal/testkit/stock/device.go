package stock

import "testing"

// Device is one document in a program that has Automerge and no repo: it loads files and makes and takes sync messages,
// which the test carries. Its methods fail the test when the driver reports an error.
type Device struct{ c Client }

// Device starts a device with an empty document. The name is unique within the test, also among clients.
func (p *Process) Device(tb testing.TB, name string) *Device {
	tb.Helper()
	d := &Device{Client{tb: tb, p: p, name: tb.Name() + "/" + name}}
	d.c.call("device", nil, nil)
	tb.Cleanup(func() {
		// The process may have been stopped by the test; then nothing is left to close.
		_ = p.Call("close", map[string]any{"client": d.c.name}, nil, 0)
	})
	return d
}

// Load replaces the document by a file's.
func (d *Device) Load(file []byte) {
	d.c.tb.Helper()
	d.c.call("load", map[string]any{"file": file}, nil)
}

// Change makes one change of the given edits.
func (d *Device) Change(edits ...Edit) {
	d.c.tb.Helper()
	d.c.call("change", map[string]any{"edits": edits}, nil)
}

// Begin begins an exchange of sync messages: of an earlier one the device knows what a program keeps in a file. Without
// it, a device that agreed with the other side has nothing to say, and doesn't hear of what is new there.
func (d *Device) Begin() {
	d.c.tb.Helper()
	d.c.call("begin", nil, nil)
}

// Generate returns the next sync message for the other side, nil when there is nothing to say.
func (d *Device) Generate() []byte {
	d.c.tb.Helper()
	var r struct{ Message []byte }
	d.c.call("generate", nil, &r)
	return r.Message
}

// Receive takes a sync message of the other side.
func (d *Device) Receive(message []byte) {
	d.c.tb.Helper()
	d.c.call("receive", map[string]any{"message": message}, nil)
}

// Get returns the document, freshly loaded from its bytes, as tagged JSON.
func (d *Device) Get() map[string]any {
	d.c.tb.Helper()
	var r struct{ Value map[string]any }
	d.c.call("get", nil, &r)
	return r.Value
}

// Heads returns the document's heads as sorted hex.
func (d *Device) Heads() []string {
	d.c.tb.Helper()
	var r struct{ Heads []string }
	d.c.call("heads", nil, &r)
	return r.Heads
}
