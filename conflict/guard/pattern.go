package guard

import (
	"concord/crdt"
	"concord/internal/rules"
)

// step is one step of the way from the root to a place: a key of a map, or an
// element of a list.
type step struct {
	object crdt.OpID
	key    crdt.Key
}

// meet says how a place and a pattern lie to each other.
type meet int

const (
	apart  meet = iota
	inside      // the place is what the pattern names, or in it
	above       // what the pattern names may be in the place
)

// match compares a pattern with the way from the root to a place.
func match(p rules.Pattern, way []step) meet {
	for i := range min(p.Len(), len(way)) {
		if key, any := p.Step(i); !any && (way[i].key.IsElem || way[i].key.Name != key) {
			return apart
		}
	}
	if p.Len() <= len(way) {
		return inside
	}
	return above
}
