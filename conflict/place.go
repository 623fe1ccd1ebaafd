package conflict

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"concord/crdt"
	"concord/internal/id"
)

// maxKeyName is the longest map key that is kept as it is, in bytes; of a longer
// one, only a hash is.
const maxKeyName = 4 << 10

// place names a key or element, so that it can be a map key of limited size.
type place struct {
	obj crdt.OpID
	key crdt.Key
}

// hashedKey marks a key of which only a hash is kept: no element has this form,
// for it isn't one.
var hashedKey = crdt.OpID{Counter: 1, Actor: "hash"}

func placeOf(obj crdt.OpID, key crdt.Key) place {
	if len(key.Name) > maxKeyName {
		sum := sha256.Sum256([]byte(key.Name))
		key = crdt.Key{Name: hex.EncodeToString(sum[:]), Elem: hashedKey}
	}
	return place{obj, key}
}

// text is Record.Key; of a long map key, "h" and its SHA-256.
func (p place) text() string {
	switch {
	case p.key.IsElem:
		return "e" + p.key.Elem.String()
	case p.key.Elem == hashedKey:
		return "h" + p.key.Name
	}
	return "k" + p.key.Name
}

// opText writes an op's id, or an object's.
func opText(op crdt.OpID) string {
	if op.IsZero() {
		return "_root"
	}
	return op.String()
}

// conflictID is the ID of the conflict at a place that came after the ops of
// root.
func conflictID(prefix string, doc id.DocumentID, obj crdt.OpID, key crdt.Key, root []crdt.OpID) ID {
	b := append([]byte(prefix), 0)
	b = append(b, doc[:]...)
	b = append(append(b, opText(obj)...), 0)
	if key.IsElem {
		b = append(append(b, 'e'), key.Elem.String()...)
	} else {
		b = append(append(b, 'k'), key.Name...)
	}
	b = append(b, 0)
	root = slices.SortedFunc(slices.Values(root), crdt.OpID.Compare)
	for _, op := range root {
		b = append(append(b, op.String()...), 0)
	}
	sum := sha256.Sum256(b)
	return ID(sum[:16])
}
