package wire

import (
	"encoding/binary"
	"math"

	"concord/internal/id"
)

// appendHead appends the shortest head of a major type with its argument.
func appendHead(dst []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(dst, major|byte(n))
	case n <= math.MaxUint8:
		return append(dst, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, major|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, major|26), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, major|27), n)
	}
}

func appendText(dst []byte, s string) []byte {
	return append(appendHead(dst, majorText, uint64(len(s))), s...)
}

func appendTextField(dst []byte, key, value string) []byte {
	return appendText(appendText(dst, key), value)
}

func appendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, cborTrue)
	}
	return append(dst, cborFalse)
}

// appendNumber appends a JavaScript number of at most 2^53: cbor-x makes a
// BigInt of any 64-bit integer, so integers from 2^32 up are written as float64.
func appendNumber(dst []byte, n uint64) []byte {
	if n <= math.MaxUint32 {
		return appendHead(dst, majorUint, n)
	}
	return binary.BigEndian.AppendUint64(append(dst, cborFloat64), math.Float64bits(float64(n)))
}

func appendDocument(dst []byte, document id.DocumentID) []byte {
	var buf [64]byte
	text, _ := document.AppendText(buf[:0]) // never fails
	dst = appendText(dst, "documentId")
	dst = appendHead(dst, majorText, uint64(len(text)))
	return append(dst, text...)
}

// appendData panics on empty data, which cbor-x receivers can't take: a sync
// message is never empty, and Decode lets no empty data in.
func appendData(dst, data []byte) []byte {
	if len(data) == 0 {
		panic("wire: a frame with empty data")
	}
	dst = appendHead(appendText(dst, "data"), majorBytes, uint64(len(data)))
	return append(dst, data...)
}

func appendMetadata(dst []byte, m PeerMetadata) []byte {
	dst = appendText(dst, "peerMetadata")
	if m.StorageID == "" {
		dst = appendHead(dst, majorMap, 1)
	} else {
		dst = appendHead(dst, majorMap, 2)
		dst = appendTextField(dst, "storageId", m.StorageID)
	}
	return appendBool(appendText(dst, "isEphemeral"), m.Ephemeral)
}

// appendStart opens a map of so many fields and writes the two that every message has.
func appendStart(dst []byte, fields int, kind, sender string) []byte {
	dst = appendHead(dst, majorMap, uint64(fields))
	dst = appendTextField(dst, "type", kind)
	return appendTextField(dst, "senderId", sender)
}

func appendTargetKey(dst []byte) []byte { return appendText(dst, "targetId") }

func appendTexts(dst []byte, key string, values []string) []byte {
	dst = appendHead(appendText(dst, key), majorArray, uint64(len(values)))
	for _, value := range values {
		dst = appendText(dst, value)
	}
	return dst
}

func (m Join) Append(dst []byte) []byte {
	fields := 3
	if m.Versions != nil {
		fields++
	}
	dst = appendStart(dst, fields, TypeJoin, m.SenderID)
	dst = appendMetadata(dst, m.Metadata)
	if m.Versions != nil {
		dst = appendTexts(dst, "supportedProtocolVersions", m.Versions)
	}
	return dst
}

func (m Peer) appendShared(dst []byte) []byte {
	dst = appendStart(dst, 5, TypePeer, m.SenderID)
	dst = appendMetadata(dst, m.Metadata)
	dst = appendTextField(dst, "selectedProtocolVersion", m.Version)
	return appendTargetKey(dst)
}

func (m Error) appendShared(dst []byte) []byte {
	dst = appendStart(dst, 4, TypeError, m.SenderID)
	dst = appendTextField(dst, "message", m.Message)
	return appendTargetKey(dst)
}

func (m Sync) appendShared(dst []byte) []byte {
	dst = appendStart(dst, 5, TypeSync, m.SenderID)
	dst = appendData(appendDocument(dst, m.Document), m.Data)
	return appendTargetKey(dst)
}

func (m Request) appendShared(dst []byte) []byte {
	dst = appendStart(dst, 5, TypeRequest, m.SenderID)
	dst = appendData(appendDocument(dst, m.Document), m.Data)
	return appendTargetKey(dst)
}

func (m DocUnavailable) appendShared(dst []byte) []byte {
	dst = appendStart(dst, 4, TypeDocUnavailable, m.SenderID)
	return appendTargetKey(appendDocument(dst, m.Document))
}

func (m Ephemeral) appendShared(dst []byte) []byte {
	dst = appendStart(dst, 7, TypeEphemeral, m.SenderID)
	dst = appendDocument(dst, m.Document)
	dst = appendTextField(dst, "sessionId", m.SessionID)
	dst = appendNumber(appendText(dst, "count"), m.Count)
	return appendTargetKey(appendData(dst, m.Data))
}

func (m Leave) Append(dst []byte) []byte { return appendStart(dst, 2, TypeLeave, m.SenderID) }

func (m RemoteSubscriptionChange) appendShared(dst []byte) []byte {
	fields := 3
	if m.Add != nil {
		fields++
	}
	if m.Remove != nil {
		fields++
	}
	dst = appendStart(dst, fields, TypeRemoteSubscriptionChange, m.SenderID)
	if m.Add != nil {
		dst = appendTexts(dst, "add", m.Add)
	}
	if m.Remove != nil {
		dst = appendTexts(dst, "remove", m.Remove)
	}
	return appendTargetKey(dst)
}

func (m RemoteHeadsChanged) appendShared(dst []byte) []byte {
	dst = appendStart(dst, 5, TypeRemoteHeadsChanged, m.SenderID)
	dst = appendDocument(dst, m.Document)
	dst = appendHead(appendText(dst, "newHeads"), majorMap, uint64(len(m.NewHeads)))
	var buf [64]byte
	for _, storage := range m.NewHeads {
		dst = appendHead(appendText(dst, storage.StorageID), majorMap, 2)
		dst = appendHead(appendText(dst, "heads"), majorArray, uint64(len(storage.Heads)))
		for _, head := range storage.Heads {
			text := id.AppendHash(buf[:0], head)
			dst = append(appendHead(dst, majorText, uint64(len(text))), text...)
		}
		dst = appendNumber(appendText(dst, "timestamp"), storage.Timestamp)
	}
	return appendTargetKey(dst)
}

func (m Token) Append(dst []byte) []byte {
	fields := 2
	if m.SenderID != "" {
		fields++
	}
	dst = appendHead(dst, majorMap, uint64(fields))
	dst = appendTextField(dst, "type", TypeToken)
	if m.SenderID != "" {
		dst = appendTextField(dst, "senderId", m.SenderID)
	}
	return appendTextField(dst, "token", m.Token)
}

func (m TokenAnswer) appendShared(dst []byte) []byte {
	fields := 4
	if m.Expires > 0 {
		fields++
	}
	if m.Message != "" {
		fields++
	}
	dst = appendStart(dst, fields, TypeTokenAnswer, m.SenderID)
	dst = appendBool(appendText(dst, "accepted"), m.Accepted)
	if m.Expires > 0 {
		dst = appendNumber(appendText(dst, "expires"), m.Expires)
	}
	if m.Message != "" {
		dst = appendTextField(dst, "message", m.Message)
	}
	return appendTargetKey(dst)
}

func (m Peer) Append(dst []byte) []byte  { return appendTargeted(dst, m) }
func (m Error) Append(dst []byte) []byte { return appendTargeted(dst, m) }
func (m Sync) Append(dst []byte) []byte {
	return appendText(m.appendShared(dst), m.TargetID)
}
func (m Request) Append(dst []byte) []byte {
	return appendText(m.appendShared(dst), m.TargetID)
}
func (m DocUnavailable) Append(dst []byte) []byte           { return appendTargeted(dst, m) }
func (m Ephemeral) Append(dst []byte) []byte                { return appendTargeted(dst, m) }
func (m RemoteSubscriptionChange) Append(dst []byte) []byte { return appendTargeted(dst, m) }
func (m RemoteHeadsChanged) Append(dst []byte) []byte       { return appendTargeted(dst, m) }
func (m TokenAnswer) Append(dst []byte) []byte              { return appendTargeted(dst, m) }

func appendTargeted(dst []byte, m Targeted) []byte {
	return appendText(m.appendShared(dst), m.Target())
}
