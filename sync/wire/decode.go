package wire

import (
	"bytes"
	"fmt"
	"math"

	"concord/internal/id"
)

// Decode reads one frame. The Data of the message aliases frame, which must
// not change while the message is in use; everything else is copied. Apart
// from the copies, memory is taken only for entries that are there.
//
// The error is ErrTooLarge, ErrMalformed (often as a *FieldError) or, for a
// well-formed frame, ErrUnknownType; the message is nil beside an error.
func Decode(frame []byte, lim Limits) (Message, error) {
	d := decoder{lim: lim.withDefaults()}
	if len(frame) > d.lim.Frame {
		return nil, fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, len(frame), d.lim.Frame)
	}
	d.r = reader{b: frame, depth: d.lim.Depth, items: d.lim.Items}
	if err := d.index(); err != nil {
		return nil, err
	}
	// The frame is well-formed and within the limits of a walk over it.
	d.r.depth, d.r.items = math.MaxInt, math.MaxInt
	m := d.message()
	if d.err != nil {
		return nil, d.err
	}
	return m, nil
}

// decoder reads one frame in two passes: index checks that the frame is
// well-formed and notes where the fields are, message reads those that the type has.
type decoder struct {
	r   reader
	lim Limits
	at  [fieldCount]int // where the field's value starts, 0 if absent
	err error           // the first error of the second pass
}

// field is a known field of some message.
type field uint8

const (
	fieldType field = iota
	fieldSenderID
	fieldTargetID
	fieldDocumentID
	fieldData
	fieldCountNumber
	fieldSessionID
	fieldMetadata
	fieldVersions
	fieldVersion
	fieldMessage
	fieldAdd
	fieldRemove
	fieldNewHeads
	fieldToken
	fieldAccepted
	fieldExpires
	fieldCount // how many there are
)

var fieldNames = [fieldCount]string{
	"type", "senderId", "targetId", "documentId", "data", "count", "sessionId", "peerMetadata",
	"supportedProtocolVersions", "selectedProtocolVersion", "message", "add", "remove", "newHeads",
	"token", "accepted", "expires",
}

// fieldOf returns the field with a name, or fieldCount.
func fieldOf(name []byte) field {
	switch string(name) {
	case "type":
		return fieldType
	case "senderId":
		return fieldSenderID
	case "targetId":
		return fieldTargetID
	case "documentId":
		return fieldDocumentID
	case "data":
		return fieldData
	case "count":
		return fieldCountNumber
	case "sessionId":
		return fieldSessionID
	case "peerMetadata":
		return fieldMetadata
	case "supportedProtocolVersions":
		return fieldVersions
	case "selectedProtocolVersion":
		return fieldVersion
	case "message":
		return fieldMessage
	case "add":
		return fieldAdd
	case "remove":
		return fieldRemove
	case "newHeads":
		return fieldNewHeads
	case "token":
		return fieldToken
	case "accepted":
		return fieldAccepted
	case "expires":
		return fieldExpires
	}
	return fieldCount
}

func (d *decoder) index() error {
	start := 0
	if bytes.HasPrefix(d.r.b, selfDescribe) {
		start = len(selfDescribe)
	}
	var seen keys
	end, err := d.r.entries(start, func(name []byte, value int) error {
		if err := seen.add(name); err != nil {
			return err
		}
		if f := fieldOf(name); f < fieldCount && d.r.b[value] != cborUndefined {
			d.at[f] = value
		}
		return nil
	})
	if err != nil {
		return err
	}
	if end != len(d.r.b) {
		return errTrailing
	}
	return nil
}

// message reads the fields of the frame's type; d.err tells whether it worked.
func (d *decoder) message() Message {
	kind := d.kind()
	if d.err != nil {
		return nil
	}
	switch string(kind) {
	case TypeSync:
		return Sync{d.peerID(fieldSenderID), d.targetID(), d.document(), d.data()}
	case TypeRequest:
		return Request{d.peerID(fieldSenderID), d.targetID(), d.document(), d.data()}
	case TypeEphemeral:
		return Ephemeral{
			SenderID: d.peerID(fieldSenderID), TargetID: d.targetID(), Document: d.document(),
			SessionID: d.text(fieldSessionID, d.lim.SessionID), Count: d.number(fieldCountNumber), Data: d.data(),
		}
	case TypeDocUnavailable:
		return DocUnavailable{d.peerID(fieldSenderID), d.targetID(), d.document()}
	case TypeJoin:
		return Join{d.peerID(fieldSenderID), d.metadata(), d.texts(fieldVersions, d.lim.Versions, d.lim.Text)}
	case TypePeer:
		return Peer{d.peerID(fieldSenderID), d.targetID(), d.metadata(), d.text(fieldVersion, d.lim.Text)}
	case TypeError:
		return Error{d.peerID(fieldSenderID), d.targetID(), d.text(fieldMessage, d.lim.Text)}
	case TypeLeave:
		return Leave{d.peerID(fieldSenderID)}
	case TypeRemoteSubscriptionChange:
		return RemoteSubscriptionChange{
			SenderID: d.peerID(fieldSenderID), TargetID: d.targetID(),
			Add:    d.texts(fieldAdd, d.lim.StorageIDs, d.lim.StorageID),
			Remove: d.texts(fieldRemove, d.lim.StorageIDs, d.lim.StorageID),
		}
	case TypeRemoteHeadsChanged:
		return RemoteHeadsChanged{d.peerID(fieldSenderID), d.targetID(), d.document(), d.newHeads()}
	case TypeToken:
		return Token{d.optionalText(fieldSenderID, d.lim.PeerID), d.text(fieldToken, d.lim.Token)}
	case TypeTokenAnswer:
		return TokenAnswer{
			SenderID: d.peerID(fieldSenderID), TargetID: d.targetID(), Accepted: d.flag(fieldAccepted),
			Expires: d.optionalNumber(fieldExpires), Message: d.optionalText(fieldMessage, d.lim.Text),
		}
	}
	d.err = unknownType(kind)
	return nil
}

func unknownType(kind []byte) error {
	const most = 64
	if len(kind) <= most {
		return fmt.Errorf("%w: %q", ErrUnknownType, kind)
	}
	return fmt.Errorf("%w: %q…", ErrUnknownType, bytes.ToValidUTF8(kind[:most], nil))
}

func (d *decoder) targetID() string { return d.optionalText(fieldTargetID, d.lim.PeerID) }

// peerID reads a text that is neither absent nor empty.
func (d *decoder) peerID(f field) string {
	s := d.text(f, d.lim.PeerID)
	if s == "" {
		d.fail(fieldNames[f], "empty")
	}
	return s
}

func (d *decoder) document() id.DocumentID {
	s := d.textBytes(fieldDocumentID)
	if d.err != nil {
		return id.DocumentID{}
	}
	document, err := id.ParseText(s)
	if err != nil {
		d.fail(fieldNames[fieldDocumentID], err.Error())
	}
	return document
}

// fail notes the first error.
func (d *decoder) fail(name, reason string) {
	if d.err == nil {
		d.err = &FieldError{Field: name, Reason: reason}
	}
}
