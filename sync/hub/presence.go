package hub

import "concord/internal/id"

// Presence is told who is there. Its methods, and a Visit's, don't wait.
type Presence interface {
	// Connect tells that a peer has joined from a device.
	Connect(s Session, device string) Visit
}

// Visit is the time for which a peer has joined. Its documents stay open until its end.
type Visit interface {
	Beat() // it is alive; called for every frame
	Open(id.DocumentID)
	Close()
}

// nobody is a Presence that isn't told anything.
type nobody struct{}

func (nobody) Connect(Session, string) Visit { return nobody{} }
func (nobody) Beat()                         {}
func (nobody) Open(id.DocumentID)            {}
func (nobody) Close()                        {}

// arrive begins the visit of a peer that has joined.
func (p *peer) arrive() {
	visit := p.hub.opts.Presence.Connect(p.currentSession(), p.device())
	p.visit = visit
	if conn, ok := p.socket.(Pulsing); ok {
		conn.OnPulse(visit.Beat)
	}
}
