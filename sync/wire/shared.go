package wire

// Shared is the frame of a message but for the receiver's ID, encoded once for
// all peers of a document. It is immutable and safe for concurrent use; its
// zero value is no frame.
type Shared struct {
	prefix []byte // up to and including the key "targetId"
}

// Share encodes m; its TargetID is ignored, its Data copied.
func Share(m Targeted) Shared {
	return Shared{prefix: m.appendShared(make([]byte, 0, 128+sizeHint(m)))}
}

// Split returns the whole frame for one receiver in two parts, of which the head
// is the same for all of them and must not be modified.
func (s Shared) Split(targetID string) (head, tail []byte) {
	return s.prefix, appendText(nil, targetID)
}

// Len returns the length of the whole frame for one receiver, in bytes.
func (s Shared) Len(targetID string) int {
	var head [9]byte
	return len(s.prefix) + len(appendHead(head[:0], majorText, uint64(len(targetID)))) + len(targetID)
}

// sizeHint estimates what m takes beyond its fixed fields, in bytes.
func sizeHint(m Targeted) int {
	n := len(m.Sender())
	switch m := m.(type) {
	case Sync:
		n += len(m.Data)
	case Request:
		n += len(m.Data)
	case Ephemeral:
		n += len(m.Data) + len(m.SessionID)
	}
	return n
}
