package crdt

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math"
)

// ChunkType is the kind of a chunk, the byte after the checksum.
type ChunkType byte

// Chunk types of the format.
const (
	ChunkDocument   ChunkType = 0
	ChunkChange     ChunkType = 1
	ChunkCompressed ChunkType = 2 // a change, deflated
	ChunkBundle     ChunkType = 3 // experimental
)

// Chunk is one container: 4B magic + 4B checksum + 1B type + uleb length + data.
// Its slices alias the input.
type Chunk struct {
	Type     ChunkType
	Checksum [4]byte
	Data     []byte
	Raw      []byte // the whole chunk, header included
}

var chunkMagic = []byte{0x85, 0x6f, 0x4a, 0x83}

// hashedFrom is where the hashed part of a chunk begins: type, length and data.
// The bytes before it are magic and checksum.
const hashedFrom = 8

// maxChunkHeader is the most bytes that may stand before a chunk's data.
const maxChunkHeader = hashedFrom + 1 + maxLEBBytes

// NextChunk reads one chunk container from the front of b and returns what
// follows it. Only magic and length are checked, not the checksum. The error
// is a *RefusalError.
func NextChunk(b []byte) (c Chunk, rest []byte, err error) {
	if len(b) <= hashedFrom {
		return Chunk{}, nil, refuse(ReasonMalformed, "chunk header is cut off after %d bytes", len(b))
	}
	if !bytes.Equal(b[:4], chunkMagic) {
		return Chunk{}, nil, refuse(ReasonMalformed, "no chunk: magic bytes are missing")
	}
	length, n, err := readUleb(b[hashedFrom+1:])
	if err != nil {
		return Chunk{}, nil, refuse(ReasonMalformed, "chunk length: %v", err)
	}
	start := hashedFrom + 1 + n
	if length > uint64(len(b)-start) {
		return Chunk{}, nil, refuse(ReasonMalformed, "chunk of %d bytes, %d are left", length, len(b)-start)
	}
	end := start + int(length)
	c = Chunk{Type: ChunkType(b[hashedFrom]), Data: b[start:end:end], Raw: b[:end:end]}
	copy(c.Checksum[:], b[4:hashedFrom])
	return c, b[end:], nil
}

// ParseChange parses a change from a chunk of type 1 or 2: checksum, hash, all
// fields and columns, canonical form, limits, and every gate rule that needs
// nothing but the change itself. The error is a *RefusalError.
//
// The canonical form is proven while decoding: each reader accepts only what
// the encoder would write, so a parsed change encodes to the same bytes.
func (c Chunk) ParseChange(lim Limits) (*Change, error) {
	lim = lim.withDefaults()
	raw, err := c.uncompressed(lim.ChunkBytes)
	if err != nil {
		return nil, err
	}
	hash := Hash(sha256.Sum256(raw[hashedFrom:]))
	if sum := [4]byte(hash[:4]); sum != c.Checksum {
		return nil, withCost(refuse(ReasonChecksum, "checksum is %x, data has %x", c.Checksum, sum), len(raw))
	}
	ch, err := parseChange(raw, hash, lim)
	if err != nil {
		return nil, withCost(withHash(err, hash), len(raw))
	}
	return ch, nil
}

// uncompressed returns the chunk in type 1 form.
func (c Chunk) uncompressed(maxBytes int) ([]byte, error) {
	switch c.Type {
	case ChunkChange:
		if len(c.Data) > maxBytes {
			return nil, refuse(ReasonLimit, "chunk of %d bytes, allowed are %d", len(c.Data), maxBytes)
		}
		return c.Raw, nil
	case ChunkCompressed:
		return inflateChange(c.Data, c.Checksum, maxBytes)
	case ChunkDocument:
		return nil, refuse(ReasonDocumentChunk, "document chunk where a change is expected")
	case ChunkBundle:
		return nil, refuse(ReasonBundleChunk, "bundle chunk where a change is expected")
	}
	return nil, refuse(ReasonUnknownChunk, "unknown chunk type %d", c.Type)
}

// ParseChange parses exactly one change chunk; bytes after it are an error.
// See Chunk.ParseChange.
func ParseChange(b []byte, lim Limits) (*Change, error) {
	c, rest, err := NextChunk(b)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, refuse(ReasonMalformed, "%d bytes after the chunk", len(rest))
	}
	return c.ParseChange(lim)
}

// ParseStoredChange reads the header of a type 1 chunk that was parsed before
// it was stored: the hash is the caller's, checksum and columns are trusted, and
// OtherOps is left out.
// Broken bytes give an error, never a panic.
func ParseStoredChange(b []byte, h Hash) (Header, error) {
	c, err := ReadStoredChange(b, h)
	if err != nil {
		return Header{}, err
	}
	return c.Header(), nil
}

// ReadStoredChange is ParseStoredChange for the whole change, which keeps a
// reference to b. What only the gate needs to know of it is left out.
func ReadStoredChange(b []byte, h Hash) (*Change, error) {
	c, rest, err := NextChunk(b)
	if err == nil && (c.Type != ChunkChange || len(rest) > 0) {
		err = refuse(ReasonMalformed, "not one change chunk")
	}
	if err != nil {
		return nil, fmt.Errorf("read stored change: %w", withHash(err, h))
	}
	ch, err := parseFields(c.Raw, Limits{Ops: math.MaxInt32, Deps: math.MaxInt32})
	if err != nil {
		return nil, fmt.Errorf("read stored change: %w", withHash(err, h))
	}
	ch.Hash = h
	return ch, nil
}

// appendChunkHeader appends everything that stands before a chunk's data.
func appendChunkHeader(b []byte, checksum [4]byte, t ChunkType, length int) []byte {
	b = append(b, chunkMagic...)
	b = append(b, checksum[:]...)
	b = append(b, byte(t))
	return appendUleb(b, uint64(length))
}
