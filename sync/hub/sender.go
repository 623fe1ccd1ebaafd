package hub

import (
	"slices"
	"strings"
)

// sender says whose changes they are. The tabs of a browser share one.
type sender struct{ user, device string }

func (p *peer) sender() sender { return sender{p.currentSession().User, p.device()} }

// linkOf returns a link of a sender, nil when none of its connections has the
// document open.
func (d *document) linkOf(from sender) *link {
	if i := slices.IndexFunc(d.links, func(l *link) bool { return l.peer.sender() == from }); i >= 0 {
		return d.links[i]
	}
	return nil
}

// String packs a sender into the text by which the orphan pool knows it.
func (s sender) String() string { return s.user + "\x00" + s.device }

func parseSender(text string) sender {
	user, device, _ := strings.Cut(text, "\x00")
	return sender{user, device}
}
