package store

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

// Fingerprints of deleted records let a check prove that none of them is left anywhere in the file. A fingerprint is of
// a window of 32 bytes: its rolling hash, by which it can be looked for at every place, and the start of its SHA-256
// with the document's salt.
//
// A window may begin before the value, in the last bytes of the key, which a page holds just before the value; of a
// short record there is one that ends with it.

const (
	windowSize = 32
	// windowEvery is how many bytes of a record have one window.
	windowEvery = 1 << 10
	// windowTries is how many windows are looked at to choose the one. One with many different bytes is more likely to
	// be of this document alone.
	windowTries = 8
	// windowDistinct is how many different bytes a window has to have.
	windowDistinct = 12
	// windowInKey is how many bytes of a window may be the key's.
	windowInKey = windowSize - 8

	proofSize = 8
	printSize = 4 + proofSize

	// maxPrints bounds the fingerprints of one document; those of tables leave room for its content.
	maxPrints      = 64 << 10
	maxTablePrints = 24 << 10
	// aimedPrints is how many its content gets, spread evenly, if it is large.
	aimedPrints = 40 << 10
)

// The rolling hash is the upper half of a polynomial in rollBase, modulo 2^64, over the bytes of a window.
const rollBase = 0x9e3779b97f4a7c15

// rollOut is rollBase to the power of windowSize.
var rollOut = func() uint64 {
	p := uint64(1)
	for range windowSize {
		p *= rollBase
	}
	return p
}()

func roll(window []byte) uint32 {
	h := uint64(0)
	for _, b := range window {
		h = h*rollBase + uint64(b)
	}
	return uint32(h >> 32)
}

func windowProof(salt, window []byte) (proof [proofSize]byte) {
	var in [saltSize + windowSize]byte
	copy(in[:], salt)
	copy(in[saltSize:], window)
	sum := sha256.Sum256(in[:])
	copy(proof[:], sum[:])
	return proof
}

// printer takes the fingerprints of records.
type printer struct {
	wipe
	salt  [saltSize]byte
	limit uint32 // for kept
	taken []byte
	image []byte // reused
}

// record takes the fingerprints of one record. Those of labels alone have no value but a checksum: they tell nothing.
func (p *printer) record(key, value []byte) {
	if len(value) <= crcSize {
		return
	}
	p.image = append(append(p.image[:0], key...), value...)
	start := max(0, min(len(key)-windowInKey, len(p.image)-windowSize))
	for rest := p.image[start:]; len(rest) >= windowSize; rest = rest[min(windowEvery, len(rest)):] {
		if p.seen++; (p.seen-1)%p.every == 0 && p.kept < p.limit {
			p.window(rest[:min(windowEvery, len(rest))])
		}
	}
}

// window takes the fingerprint of the window that differs most in itself.
func (p *printer) window(b []byte) {
	best, most := -1, windowDistinct-1
	last := len(b) - windowSize
	for i := range windowTries {
		at := last * i / (windowTries - 1)
		if n := distinct(b[at : at+windowSize]); n > most {
			best, most = at, n
		}
	}
	if best < 0 {
		return
	}
	w := b[best : best+windowSize]
	proof := windowProof(p.salt[:], w)
	p.taken = append(binary.BigEndian.AppendUint32(p.taken, roll(w)), proof[:]...)
	p.kept++
}

// distinct counts the different bytes.
func distinct(b []byte) (n int) {
	var set [4]uint64
	for _, c := range b {
		set[c>>6] |= 1 << (c & 63)
	}
	for _, s := range set {
		n += bits.OnesCount64(s)
	}
	return n
}
