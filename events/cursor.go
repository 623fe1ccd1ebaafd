package events

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
)

// position is what a cursor says.
type position struct {
	epoch  [epochSize]byte // of the log: numbers of another one tell nothing
	number uint64          // of the last event before it
	time   int64           // ms since 1970, about when that was
}

const (
	epochSize  = 4
	cursorSize = epochSize + 8 + 8
)

// epochOf makes an epoch of the beginning of a storage ID, which is a UUID.
func epochOf(storageID string) (e [epochSize]byte, err error) {
	if len(storageID) < 2*epochSize {
		return e, fmt.Errorf("storage ID %q is too short", storageID)
	}
	_, err = hex.Decode(e[:], []byte(storageID[:2*epochSize]))
	return e, err
}

// String returns the cursor: 4B epoch, 8B number and 8B time in base64url.
func (p position) String() string {
	var b [cursorSize]byte
	copy(b[:], p.epoch[:])
	binary.BigEndian.PutUint64(b[epochSize:], p.number)
	binary.BigEndian.PutUint64(b[epochSize+8:], uint64(p.time))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// parseCursor reads a cursor, or returns ErrCursor. There is one text for each position.
func parseCursor(s string) (position, error) {
	var b [cursorSize]byte
	if base64.RawURLEncoding.DecodedLen(len(s)) != cursorSize {
		return position{}, ErrCursor
	}
	if _, err := base64.RawURLEncoding.Strict().Decode(b[:], []byte(s)); err != nil {
		return position{}, ErrCursor
	}
	p := position{
		epoch: [epochSize]byte(b[:]), number: binary.BigEndian.Uint64(b[epochSize:]), time: int64(binary.BigEndian.Uint64(b[epochSize+8:])),
	}
	if p.time < 0 || p.time > maxTime || p.String() != s {
		return position{}, ErrCursor
	}
	return p, nil
}

// maxTime is the end of the year 9999, in ms since 1970.
var maxTime = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).UnixMilli()

// numberKey is the key of an event.
func numberKey(number uint64) []byte { return binary.BigEndian.AppendUint64(nil, number) }
