package store

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
)

// A backup is backupMagic and frames: 1B kind, 4B length of the payload, the payload, 4B CRC-32C of all that. A company's
// name comes before what belongs to it. In their order:
//
//	B  begin      storage ID, ID of the backup, ID of the one before ("" for none), as 2B length and text; 8B time
//	N  name       the company of all frames up to the next name
//	T  record     1B length and name of the table, 2B length and key, value
//	C  counter    8B number given last, name of the table
//	J  rejection  8B sequence, and the payload of the record
//	V  revocation 2B length and the record's key without the company, and the payload
//	D  document   16B document, 8B first index, 8B changes, 8B sum of their chunk bytes, 8B changes that a snapshot
//	              covers (0 when the backup has none), 8B sum of their chunk bytes, 32B for each head
//	c  chunk      the next part of the document's snapshot
//	g  graph      likewise
//	X  change     1B (1 when more of it follows in the next frame, else 0), bytes of the next change's chunk
//	R  run        user and device as 2B length and text; entries as in attributions, the first from the year 1970
//	E  end        of the document
//	A  audit      8B sequence, and the payload of the record
//	G  tombstone  16B document, 8B time; by whom and reason as 2B length and text
//	H  head       8B sequence and 32B hash of the company's latest audit entry, zeros for none
//	M  manifest   16B document and 8B changes, again and again, ascending
//	Z  final      SHA-256 of all bytes before this frame
//
// A document has the frames of a snapshot, then the changes after it (after the first index without one), then the runs
// from the first index on. One that was purged while the backup was made ends without E.
const backupMagic = "concord backup 1"

const (
	frameBegin      byte = 'B'
	frameName       byte = 'N'
	frameRecord     byte = 'T'
	frameCounter    byte = 'C'
	frameRejection  byte = 'J'
	frameRevocation byte = 'V'
	frameDocument   byte = 'D'
	frameChunk      byte = chunkPart
	frameGraph      byte = graphPart
	frameChange     byte = 'X'
	frameRun        byte = 'R'
	frameEnd        byte = 'E'
	frameAudit      byte = 'A'
	frameTombstone  byte = 'G'
	frameHead       byte = 'H'
	frameManifest   byte = 'M'
	frameFinal      byte = 'Z'
)

const (
	frameHeader = 1 + 4

	// maxFrame is the limit for a frame's payload.
	maxFrame = MaxValue + MaxHeads*hashSize

	// changePiece is how much of a change one frame holds.
	changePiece = 256 << 10

	// maxBlob is the limit in bytes for one change, and for each part of a snapshot: what has to fit into memory.
	maxBlob = 1 << 30
)

// appendFrame appends a frame whose payload is given in pieces.
func appendFrame(b []byte, kind byte, payload ...[]byte) []byte {
	size, start := 0, len(b)
	for _, p := range payload {
		size += len(p)
	}
	b = appendU32(append(b, kind), uint32(size))
	for _, p := range payload {
		b = append(b, p...)
	}
	return appendU32(b, crc32.Checksum(b[start:], castagnoli))
}

// frameReader reads a backup.
type frameReader struct {
	r     *bufio.Reader
	sum   hash.Hash
	frame []byte
}

// openFrames reads what a backup begins with.
func openFrames(r io.Reader) (*frameReader, error) {
	f := &frameReader{r: bufio.NewReaderSize(r, 64<<10), sum: sha256.New()}
	magic, err := f.read(0, len(backupMagic))
	if err != nil {
		return nil, err
	}
	if string(magic) != backupMagic {
		return nil, fmt.Errorf("it isn't a backup of this format: %w", ErrBackup)
	}
	f.sum.Write(magic)
	return f, nil
}

// read returns frame[at:at+n], after reading it.
func (f *frameReader) read(at, n int) ([]byte, error) {
	if cap(f.frame) < at+n {
		f.frame = append(make([]byte, 0, at+n), f.frame[:at]...)
	}
	f.frame = f.frame[:at+n]
	if _, err := io.ReadFull(f.r, f.frame[at:]); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("it ends too early: %w", ErrBackup)
		}
		return nil, err
	}
	return f.frame[at:], nil
}

// next returns a frame, which is valid until the next call. After the final one nothing may follow.
func (f *frameReader) next() (kind byte, payload []byte, err error) {
	header, err := f.read(0, frameHeader)
	if err != nil {
		return 0, nil, err
	}
	size := u32(header[1:])
	if size > maxFrame {
		return 0, nil, fmt.Errorf("a frame has %d bytes, at most %d are allowed: %w", size, maxFrame, ErrBackup)
	}
	rest, err := f.read(frameHeader, int(size)+crcSize)
	if err != nil {
		return 0, nil, err
	}
	kind, payload = f.frame[0], rest[:size:size]
	if crc32.Checksum(f.frame[:frameHeader+size], castagnoli) != u32(rest[size:]) {
		return 0, nil, fmt.Errorf("a frame's checksum doesn't match: %w", ErrBackup)
	}
	if kind != frameFinal {
		f.sum.Write(f.frame)
		return kind, payload, nil
	}
	if !bytes.Equal(payload, f.sum.Sum(nil)) {
		return 0, nil, fmt.Errorf("the checksum of the whole doesn't match: %w", ErrBackup)
	}
	if _, err := f.r.ReadByte(); !errors.Is(err, io.EOF) {
		return 0, nil, fmt.Errorf("something follows its end: %w", ErrBackup)
	}
	return kind, payload, nil
}
