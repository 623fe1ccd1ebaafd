package crdt

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

// NextChunk reads one chunk container from the front of b and returns what
// follows it. Only magic and length are checked, not the checksum. The error
// is a *RefusalError.
func NextChunk(b []byte) (c Chunk, rest []byte, err error) {
	return Chunk{}, nil, refuse(ReasonMalformed, "not implemented")
}

// ParseChange parses a change from a chunk of type 1 or 2: checksum, hash, all
// fields and columns, canonical form, limits, and every gate rule that needs
// nothing but the change itself. The error is a *RefusalError.
func (c Chunk) ParseChange(lim Limits) (*Change, error) {
	return nil, refuse(ReasonMalformed, "not implemented")
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
// it was stored: the hash is the caller's, checksum and columns are trusted.
func ParseStoredChange(b []byte, h Hash) (Header, error) {
	return Header{}, refuse(ReasonMalformed, "not implemented")
}
