package hub

import (
	"maps"
	"sync"
	"sync/atomic"

	"concord/crdt"
	"concord/sync/wire"
)

// counters are the hub's running totals.
type counters struct {
	joins, framesIn, framesOut, bytesIn, bytesOut atomic.Uint64
	changes, generated, encoded                   atomic.Uint64
	ephemerals, echoes, presenceDropped           atomic.Uint64
	ephemeralsRefused                             atomic.Uint64
	loads, unloads, orphansEvicted                atomic.Uint64
	contents, decodes, documents                  atomic.Uint64

	mu      sync.Mutex // guards the following fields
	refused map[crdt.Reason]uint64
	closes  map[wire.CloseCode]uint64
}

func (c *counters) refuse(r crdt.Reason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused == nil {
		c.refused = make(map[crdt.Reason]uint64)
	}
	c.refused[r]++
}

func (c *counters) closed(code wire.CloseCode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closes == nil {
		c.closes = make(map[wire.CloseCode]uint64)
	}
	c.closes[code]++
}

// Stats is a snapshot of what the hub does and holds. None of it tells
// companies, users or documents apart.
type Stats struct {
	Connections, Peers, Documents int
	CacheBytes                    int64 // memory of the graphs of documents

	Joins, FramesIn, FramesOut, BytesIn, BytesOut uint64
	Changes                                       uint64 // accepted, durable and published
	Generated                                     uint64 // sync messages sent
	Encoded                                       uint64 // of these, encoded anew; the others were shared
	Ephemerals, Echoes, PresenceDropped           uint64
	EphemeralsRefused                             uint64 // beyond Options.Ephemerals
	Loads, Unloads                                uint64 // of document graphs
	Contents                                      uint64 // op sets built, for the first change to a document
	Decodes                                       uint64 // snapshots decoded, for old changes
	WholeDocuments                                uint64 // snapshots sent
	OrphansEvicted                                uint64
	Refused                                       map[crdt.Reason]uint64    // changes refused, by reason
	Closes                                        map[wire.CloseCode]uint64 // connections closed by the hub, by code
}

// Stats returns a snapshot.
func (h *Hub) Stats() Stats {
	h.mu.Lock()
	s := Stats{Connections: len(h.connections), Peers: len(h.peers), Documents: len(h.documents)}
	h.mu.Unlock()
	c := &h.stats
	s.CacheBytes = h.memory.Load()
	s.Joins, s.FramesIn, s.FramesOut = c.joins.Load(), c.framesIn.Load(), c.framesOut.Load()
	s.BytesIn, s.BytesOut, s.Changes = c.bytesIn.Load(), c.bytesOut.Load(), c.changes.Load()
	s.Generated, s.Encoded = c.generated.Load(), c.encoded.Load()
	s.Ephemerals, s.Echoes, s.PresenceDropped = c.ephemerals.Load(), c.echoes.Load(), c.presenceDropped.Load()
	s.EphemeralsRefused = c.ephemeralsRefused.Load()
	s.Loads, s.Unloads, s.OrphansEvicted = c.loads.Load(), c.unloads.Load(), c.orphansEvicted.Load()
	s.Contents, s.Decodes, s.WholeDocuments = c.contents.Load(), c.decodes.Load(), c.documents.Load()
	c.mu.Lock()
	s.Refused, s.Closes = maps.Clone(c.refused), maps.Clone(c.closes)
	c.mu.Unlock()
	return s
}
