package wire

import (
	"errors"
	"fmt"
)

var (
	// ErrMalformed is returned, inside a *FieldError or wrapped, for a frame
	// that isn't one well-formed CBOR map, or whose known fields are missing
	// or have the wrong type or size. The peer that sent it is closed with
	// CloseMalformed.
	ErrMalformed = errors.New("malformed frame")

	// ErrUnknownType is returned for a well-formed frame whose type isn't
	// one of the protocol's. Such a frame is ignored.
	ErrUnknownType = errors.New("unknown message type")

	// ErrTooLarge is returned for a frame above Limits.Frame. The peer that
	// sent it is closed with CloseTooLarge.
	ErrTooLarge = errors.New("frame too large")
)

// FieldError says which field of a frame is malformed. It matches ErrMalformed.
type FieldError struct {
	Field  string // the field's name on the wire, for example "senderId" or "peerMetadata.storageId"
	Reason string // what is wrong with it; never holds anything that the peer sent
}

func (e *FieldError) Error() string {
	return fmt.Sprintf("%v: %s: %s", ErrMalformed, e.Field, e.Reason)
}

// Unwrap returns ErrMalformed.
func (e *FieldError) Unwrap() error { return ErrMalformed }
