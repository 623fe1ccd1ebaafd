package protocol

import (
	"encoding/binary"
	"math"

	"concord/crdt"
)

// What Build writes: 1% false positives.
const (
	bloomBitsPerEntry = 10
	bloomProbes       = 7
)

// What a filter of a peer may say.
const (
	maxBloomBitsPerEntry = 32
	maxBloomProbes       = 16
)

// Bloom is a Bloom filter over change hashes in its encoded form: no bytes for
// the empty filter, else uleb entries + uleb bits per entry + uleb probes +
// ceil(entries × bits per entry / 8) bytes. The zero value is the empty filter.
// It is immutable and safe for concurrent use.
type Bloom struct {
	raw    []byte
	header uint8 // bytes before the bits
	probes uint8
	empty  bool // no entries, though raw isn't empty
}

// BuildBloom returns the filter of n hashes.
func BuildBloom(n int, hash func(i int) crdt.Hash) Bloom {
	if n == 0 {
		return Bloom{}
	}
	raw := appendUleb(make([]byte, 0, 8+(n*bloomBitsPerEntry+7)/8), uint64(n))
	raw = append(raw, bloomBitsPerEntry, bloomProbes)
	f := Bloom{header: uint8(len(raw)), probes: bloomProbes}
	f.raw = raw[:len(raw)+(n*bloomBitsPerEntry+7)/8]
	bits := f.raw[f.header:]
	for i := range n {
		h := hash(i)
		for p := f.first(&h); p.left > 0; p.next() {
			bits[p.x>>3] |= 1 << (p.x & 7)
		}
	}
	return f
}

// DecodeBloom reads a filter and keeps raw, which must not be modified. The
// error is a *DecodeError.
func DecodeBloom(raw []byte) (Bloom, error) {
	if len(raw) == 0 {
		return Bloom{}, nil
	}
	r := reader{b: raw}
	var fields [3]uint64
	for i, f := range [...]struct {
		name     string
		min, max uint64
	}{
		{"bloom entries", 0, math.MaxUint32},
		{"bloom bits per entry", 1, maxBloomBitsPerEntry},
		{"bloom probes", 1, maxBloomProbes},
	} {
		v, err := r.uleb(f.name)
		if err != nil {
			return Bloom{}, err
		}
		if v < f.min || v > f.max {
			return Bloom{}, r.fail(f.name, "%d is not within %d to %d", v, f.min, f.max)
		}
		fields[i] = v
	}
	if want := (fields[0]*fields[1] + 7) / 8; want != uint64(r.rest()) {
		return Bloom{}, r.fail("bloom bits", "%d bytes, want %d", r.rest(), want)
	}
	return Bloom{raw: raw, header: uint8(r.at), probes: uint8(fields[2]), empty: fields[0] == 0}, nil
}

// Empty reports whether the filter contains nothing.
func (f Bloom) Empty() bool { return len(f.raw) == 0 || f.empty }

// Bytes returns the encoded filter, which must not be modified.
func (f Bloom) Bytes() []byte { return f.raw }

// Contains reports whether h was probably put in; false is certain.
func (f Bloom) Contains(h crdt.Hash) bool {
	if f.Empty() {
		return false
	}
	bits := f.raw[f.header:]
	for p := f.first(&h); p.left > 0; p.next() {
		if bits[p.x>>3]&(1<<(p.x&7)) == 0 {
			return false
		}
	}
	return true
}

// probe walks the bit numbers of one hash: triple hashing modulo m, the number
// of bits.
type probe struct {
	x, y, z, m uint64
	left       uint8
}

func (f Bloom) first(h *crdt.Hash) probe {
	m := 8 * uint64(len(f.raw)-int(f.header))
	return probe{
		x:    uint64(binary.LittleEndian.Uint32(h[0:])) % m,
		y:    uint64(binary.LittleEndian.Uint32(h[4:])) % m,
		z:    uint64(binary.LittleEndian.Uint32(h[8:])) % m,
		m:    m,
		left: f.probes,
	}
}

func (p *probe) next() {
	if p.x += p.y; p.x >= p.m { // both were below m
		p.x -= p.m
	}
	if p.y += p.z; p.y >= p.m {
		p.y -= p.m
	}
	p.left--
}
