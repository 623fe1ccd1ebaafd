package documents

import (
	"encoding/base64"
	"encoding/binary"

	"concord/internal/id"
)

// A cursor is base64url of 1B kind and a position: what a list goes on after.
const (
	cursorDocuments = 'd' // 16B document
	cursorRefs      = 'r' // ref
	cursorDeleted   = 'x' // 16B document
	cursorChanges   = 'c' // 8B index: changes below it follow
)

func newCursor(kind byte, position []byte) string {
	return base64.RawURLEncoding.EncodeToString(append([]byte{kind}, position...))
}

// parseCursor returns the position in a cursor of a kind; nil for no cursor.
func parseCursor(kind byte, cursor string) ([]byte, error) {
	if cursor == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	ok := err == nil && len(b) > 1 && b[0] == kind
	switch {
	case !ok:
	case kind == cursorRefs:
		ok = len(b)-1 <= maxRef
	case kind == cursorChanges:
		ok = len(b)-1 == 8
	default:
		ok = len(b)-1 == id.DocumentIDSize
	}
	if !ok {
		return nil, refuse(ErrInput, "the cursor isn't one of this list; pass next of the page before, with the same filters, or leave it out")
	}
	return b[1:], nil
}

func indexCursor(i uint64) string {
	return newCursor(cursorChanges, binary.BigEndian.AppendUint64(nil, i))
}
