package hub

import (
	"encoding/binary"
	"errors"
	"time"
)

// savedState is what the store keeps of a device's copy of a document.
type savedState struct {
	user, device string    // empty if the record is of a time when they weren't kept
	since        time.Time // when the device got so far; zero likewise
	state        []byte    // of protocol.State.Save
}

// savedVersion begins a record: 1B version, 8B big-endian unix milliseconds, 2B big-endian length and the user, the
// same for the storage ID, and the state. A record without all that begins with the state's own first byte, 0x43.
const savedVersion = 0x01

var errSavedState = errors.New("saved sync state is malformed")

func (s savedState) encode() []byte {
	b := make([]byte, 0, 1+8+2+len(s.user)+2+len(s.device)+len(s.state))
	b = binary.BigEndian.AppendUint64(append(b, savedVersion), uint64(s.since.UnixMilli()))
	for _, text := range []string{s.user, s.device} {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(text))), text...)
	}
	return append(b, s.state...)
}

// decodeSaved reads a record; the state aliases it.
func decodeSaved(b []byte) (s savedState, err error) {
	if len(b) == 0 || b[0] != savedVersion {
		s.state = b
		return s, nil
	}
	if len(b) < 1+8 {
		return s, errSavedState
	}
	s.since = time.UnixMilli(int64(binary.BigEndian.Uint64(b[1:]))).UTC()
	b = b[1+8:]
	for _, text := range []*string{&s.user, &s.device} {
		if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
			return s, errSavedState
		}
		n := 2 + int(binary.BigEndian.Uint16(b))
		*text, b = string(b[2:n]), b[n:]
	}
	s.state = b
	return s, nil
}
