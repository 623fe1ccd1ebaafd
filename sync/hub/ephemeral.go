package hub

import (
	"time"

	"concord/sync/wire"
)

// receiveEphemeral passes a peer's message on to the others that have the
// document open. Nothing of it is stored.
func (p *peer) receiveEphemeral(m wire.Ephemeral) {
	if m.SessionID == p.sessionID && m.Count <= p.lastCount {
		p.hub.stats.echoes.Add(1)
		return
	}
	p.sessionID, p.lastCount = m.SessionID, m.Count
	l := p.links[m.Document]
	if l == nil {
		return // only who has the document open may speak in it
	}
	if len(m.Data) > maxPresenceBytes {
		p.notify(wire.Error{SenderID: p.hub.id, TargetID: p.id,
			Message: describe(m.Document, "an ephemeral message of %d bytes isn't relayed, at most %d are", len(m.Data), maxPresenceBytes)}.Append(nil))
		return
	}
	if err := p.ephemerals.Allow(1); err != nil {
		p.dropEphemeral(m, err)
		return
	}
	frame := wire.Share(m)
	for _, other := range l.document.others(l) {
		other.relay(frame)
	}
	p.hub.stats.ephemerals.Add(1)
}

// limitNotice is how often a client is told at most that its messages are dropped.
const limitNotice = time.Second

// dropEphemeral passes a message on to nobody, for it is one too many.
func (p *peer) dropEphemeral(m wire.Ephemeral, why error) {
	p.hub.stats.ephemeralsRefused.Add(1)
	if now := p.hub.opts.Now(); now.Sub(p.toldLimit) >= limitNotice {
		p.toldLimit = now
		p.notify(wire.Error{SenderID: p.hub.id, TargetID: p.id, Message: describe(m.Document, "not relayed: %v", why)}.Append(nil))
	}
}

// others returns the peers of all links but one.
func (d *document) others(but *link) []*peer {
	d.mu.Lock()
	defer d.mu.Unlock()
	peers := make([]*peer, 0, len(d.links))
	for _, l := range d.links {
		if l != but {
			peers = append(peers, l.peer)
		}
	}
	return peers
}
