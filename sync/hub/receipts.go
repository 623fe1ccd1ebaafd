package hub

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"concord/crdt"
	"concord/store"
	"concord/sync/protocol"
)

// Receipts says who has what of a document.
type Receipts struct {
	Heads   []crdt.Hash // of the document
	Devices []DeviceHeads
	More    bool // there are more devices than are listed
	Change  ChangeReceipt
}

// DeviceHeads is how far a device is. Devices without a storage ID are known as long as they are connected.
type DeviceHeads struct {
	User, Device string
	Heads        []crdt.Hash // that it is known to have; it may have more
	Since        time.Time   // when it said so; zero = unknown
	Connected    bool
	Has          bool // the change that was asked for
}

// ChangeReceipt is how far a change got.
type ChangeReceipt struct {
	Stage        Stage
	User, Device string    // who brought it; empty unless it is durable
	Received     time.Time // zero unless it is durable
}

// Stage is how far a change got. Stages follow each other.
type Stage uint8

const (
	StageUnknown  Stage = iota // the server hasn't got it, or it was refused
	StageReceived              // it is on its way to the disk, or waits for changes that it depends on
	StageDurable               // it is on the disk
	StageSeen                  // and on a device other than that which brought it
)

// String names the stage.
func (s Stage) String() string { return [...]string{"unknown", "received", "durable", "seen"}[s] }

// maxDevices bounds the saved states that Receipts looks at.
const maxDevices = 10_000

// Receipts says which devices have which heads of a document, and how far change is; the zero hash asks for none.
// The error is ErrNotFound or ErrPurged.
func (h *Hub) Receipts(ctx context.Context, key store.DocKey, change crdt.Hash) (Receipts, error) {
	done, err := h.attend()
	if err != nil {
		return Receipts{}, err
	}
	defer done()
	found := make(map[deviceKey]*DeviceHeads)
	var r Receipts
	if err := h.statesSaved(ctx); err != nil {
		return Receipts{}, err
	}
	if r.More, err = h.savedDevices(key, found); err != nil {
		return Receipts{}, err
	}
	d := h.enter(key)
	defer d.leave()
	index, err := d.receipts(&r, found, change)
	if err != nil {
		return Receipts{}, err
	}
	for _, device := range found {
		r.Devices = append(r.Devices, *device)
	}
	slices.SortFunc(r.Devices, func(a, b DeviceHeads) int {
		if n := strings.Compare(a.User, b.User); n != 0 {
			return n
		}
		return strings.Compare(a.Device, b.Device)
	})
	if r.Change.Stage != StageDurable {
		return r, nil
	}
	source := changeSource{document: d}
	if r.Change.User, r.Change.Device, r.Change.Received, err = source.Attribution(index); err != nil {
		return Receipts{}, err
	}
	if slices.ContainsFunc(r.Devices, func(o DeviceHeads) bool {
		return o.Has && (o.User != r.Change.User || o.Device != r.Change.Device)
	}) {
		r.Change.Stage = StageSeen
	}
	return r, nil
}

type deviceKey struct{ user, device string }

// savedDevices adds the devices whose states are saved.
func (h *Hub) savedDevices(key store.DocKey, found map[deviceKey]*DeviceHeads) (more bool, err error) {
	err = h.store.SyncStates(key, func(b []byte) error {
		saved, err := decodeSaved(b)
		if err != nil || saved.user == "" {
			return nil // it tells nothing
		}
		state, err := protocol.Load(saved.state, protocol.Options{})
		if err != nil {
			return nil
		}
		if len(found) == maxDevices {
			more = true
			return store.ErrStop
		}
		found[deviceKey{saved.user, saved.device}] = &DeviceHeads{
			User: saved.user, Device: saved.device, Heads: state.SharedHeads(), Since: saved.since,
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("read sync states: %w", err)
	}
	return more, nil
}

// receipts adds what the document in memory knows, and returns the change's index if it is durable.
func (d *document) receipts(r *Receipts, found map[deviceKey]*DeviceHeads, change crdt.Hash) (index int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.guard(&err)
	if err := d.load(); err != nil {
		return 0, err
	}
	if d.graph.Len() == 0 {
		return 0, ErrNotFound
	}
	r.Heads = d.graph.Heads()
	seen := make(map[deviceKey]bool)
	for _, l := range d.links {
		if !l.peer.caller {
			l.addReceipt(found, seen)
		}
	}
	index, durable := d.graph.Index(change)
	switch {
	case durable:
		r.Change.Stage = StageDurable
		later := descendants(d.graph, index)
		for _, device := range found {
			device.Has = slices.ContainsFunc(device.Heads, func(h crdt.Hash) bool {
				i, known := d.graph.Index(h)
				return known && i >= index && later[i-index]
			})
		}
	case d.graph.HasStaged(change), d.orphans != nil && d.orphans.Has(change):
		r.Change.Stage = StageReceived
	}
	return index, nil
}

// descendants says of change first and those with higher indexes which have it among their ancestors, or are it.
func descendants(g *crdt.Graph, first int) []bool {
	later := make([]bool, g.Len()-first)
	later[0] = true
	for i := 1; i < len(later); i++ {
		later[i] = slices.ContainsFunc(g.Dependencies(first+i), func(dep uint32) bool {
			return int(dep) >= first && later[int(dep)-first]
		})
	}
	return later
}

// addReceipt adds a link's device. What the link knows is newer than what is saved; tabs of one browser share a
// storage, and so what one of them has.
func (l *link) addReceipt(found map[deviceKey]*DeviceHeads, seen map[deviceKey]bool) {
	key := deviceKey{l.peer.currentSession().User, l.peer.device()}
	device := found[key]
	if device == nil {
		device = &DeviceHeads{User: key.user, Device: key.device}
		found[key] = device
	}
	heads := l.state.SharedHeads()
	if seen[key] {
		heads = slices.Concat(device.Heads, heads)
		crdt.SortHashes(heads)
		heads = slices.Compact(heads)
	}
	seen[key], device.Connected, device.Heads = true, true, heads
	if at := l.since; at.After(device.Since) {
		device.Since = at
	}
}

// restore takes over what is saved of a link's device. The document's lock is held.
func (l *link) restore(record []byte) error {
	saved, err := decodeSaved(record)
	if err != nil {
		return err
	}
	state, err := protocol.Load(saved.state, l.options)
	if err != nil {
		return err
	}
	state.Prune(l.document.graph)
	l.state, l.since = state, saved.since
	return nil
}
