package protocol

import "concord/crdt"

// Version is the first byte of a message.
type Version byte

// Versions of messages. They differ in what the change parts hold: V1, each
// part is one change chunk; V2, at most one part, a concatenation of chunks.
// Readers take any parts in both.
const (
	V1 Version = 0x42
	V2 Version = 0x43
)

// Message is a sync message.
//
//	1B version, heads, need, have, changes, flags
//	heads, need: uleb n, n × 32B hash
//	have:        uleb n, n × (lastSync: uleb n, n × 32B hash; bloom: uleb length, bytes)
//	changes:     uleb n, n × (uleb length, bytes)
//	flags:       absent, or uleb length, bytes
type Message struct {
	Version Version
	Heads   []crdt.Hash // sorted by writers; readers take any order
	Need    []crdt.Hash
	Have    []Have
	Changes [][]byte
	Flags   Flags
	Trailer []byte // bytes after the flags, which have no meaning
}

// Have says what a peer has: the ancestors of LastSync, and probably what the
// filter contains.
type Have struct {
	LastSync []crdt.Hash
	Bloom    Bloom
}

// A chunk takes 10 bytes at least, so a part takes 11. A few shorter parts are
// let through.
const (
	minPart    = 11
	shortParts = 16
)

// Decode reads a message. Hashes are copied; filters, change parts, flags and
// trailer alias b, which must not be modified while the message is in use. The
// error is a *DecodeError.
func Decode(b []byte, lim Limits) (*Message, error) {
	lim = lim.withDefaults()
	r := reader{b: b}
	if len(b) == 0 {
		return nil, r.fail("version", "message is empty")
	}
	m := &Message{Version: Version(b[0])}
	if m.Version != V1 && m.Version != V2 {
		return nil, r.fail("version", "0x%02x is unknown", b[0])
	}
	r.at = 1
	var err error
	if m.Heads, err = r.hashes("heads", lim.Heads); err != nil {
		return nil, err
	}
	if m.Need, err = r.hashes("need", lim.Need); err != nil {
		return nil, err
	}
	if m.Have, err = r.have(lim); err != nil {
		return nil, err
	}
	if m.Changes, err = r.parts(); err != nil {
		return nil, err
	}
	if r.rest() == 0 {
		return m, nil
	}
	flags, err := r.bytes("flags")
	if err != nil {
		return nil, err
	}
	m.Flags = flags
	if r.rest() > 0 {
		m.Trailer = b[r.at:]
	}
	return m, nil
}

func (r *reader) have(lim Limits) ([]Have, error) {
	n, err := r.count("have", lim.Have, 2)
	if err != nil || n == 0 {
		return nil, err
	}
	have := make([]Have, n)
	filters := 0
	for i := range have {
		if have[i].LastSync, err = r.hashes("lastSync", lim.Heads); err != nil {
			return nil, err
		}
		raw, err := r.bytes("bloom")
		if err != nil {
			return nil, err
		}
		if filters += len(raw); filters > lim.BloomBytes {
			return nil, r.fail("bloom", "%d bytes of filters, at most %d", filters, lim.BloomBytes)
		}
		if have[i].Bloom, err = DecodeBloom(raw); err != nil {
			err.(*DecodeError).Offset += r.at - len(raw)
			return nil, err
		}
	}
	return have, nil
}

func (r *reader) parts() ([][]byte, error) {
	n, err := r.count("changes", r.rest()/minPart+shortParts, 1)
	if err != nil || n == 0 {
		return nil, err
	}
	parts := make([][]byte, n)
	for i := range parts {
		if parts[i], err = r.bytes("changes"); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// Append appends the encoded message to dst.
func (m *Message) Append(dst []byte) []byte {
	dst = append(dst, byte(m.Version))
	dst = appendHashes(dst, m.Heads)
	dst = appendHashes(dst, m.Need)
	dst = appendUleb(dst, uint64(len(m.Have)))
	for i := range m.Have {
		dst = appendHashes(dst, m.Have[i].LastSync)
		dst = appendBytes(dst, m.Have[i].Bloom.Bytes())
	}
	dst = appendUleb(dst, uint64(len(m.Changes)))
	for _, part := range m.Changes {
		dst = appendBytes(dst, part)
	}
	if m.Flags != nil {
		dst = append(appendBytes(dst, m.Flags), m.Trailer...)
	}
	return dst
}
