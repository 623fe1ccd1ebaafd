package hub

import (
	"slices"
	"strings"
)

// sender says whose changes they are, and with which roles, see joinRoles. The
// tabs of a browser share one.
type sender struct{ user, device, roles string }

func (p *peer) sender() sender { return sender{p.currentSession().User, p.device(), p.roles} }

func (a Author) sender() sender { return sender{a.User, a.Device, joinRoles(a.Roles)} }

// joinRoles packs roles into one text, so that senders can be compared.
func joinRoles(roles []string) string { return strings.Join(roles, "\x01") }

func (s sender) roleList() []string {
	if s.roles == "" {
		return nil
	}
	return strings.Split(s.roles, "\x01")
}

// linkOf returns a link of a sender, nil when none of its connections has the
// document open.
func (d *document) linkOf(from sender) *link {
	if i := slices.IndexFunc(d.links, func(l *link) bool { return l.peer.sender() == from }); i >= 0 {
		return d.links[i]
	}
	return nil
}

// String packs a sender into the text by which the orphan pool knows it. Only
// the device may have control characters in it.
func (s sender) String() string { return s.user + "\x00" + s.roles + "\x00" + s.device }

func parseSender(text string) sender {
	user, rest, _ := strings.Cut(text, "\x00")
	roles, device, _ := strings.Cut(rest, "\x00")
	return sender{user, device, roles}
}
