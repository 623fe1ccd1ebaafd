package crdt

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
)

func TestNextChunk(t *testing.T) {
	ch, err := EncodeChange(ChangeMeta{Actor: author, Seq: 1, StartOp: 1}, []Op{setKey("k", IntValue(1))})
	if err != nil {
		t.Fatal(err)
	}
	b := append(bytes.Clone(ch.Bytes()), "rest"...)
	c, rest, err := NextChunk(b)
	if err != nil || string(rest) != "rest" || !bytes.Equal(c.Raw, ch.Bytes()) || c.Type != ChunkChange {
		t.Fatalf("chunk %+v, rest %q, %v", c, rest, err)
	}
	for n := range len(ch.Bytes()) {
		if _, _, err := NextChunk(b[:n]); err == nil {
			t.Errorf("%d bytes of a chunk are accepted", n)
		}
	}
	for name, length := range map[string][]byte{
		"overlong": {0x80, 0}, "huge": appendUleb(nil, math.MaxUint64), "too long": appendUleb(nil, 5), "cut off": {0x80},
	} {
		head := append(bytes.Clone(b[:hashedFrom+1]), length...)
		if name == "too long" {
			head = append(head, "four"...)
		}
		if _, _, err := NextChunk(head); err == nil {
			t.Errorf("%s length is accepted", name)
		}
	}
	if _, err := ParseChange(b, Limits{}); err == nil {
		t.Error("bytes after the chunk are accepted")
	}
}

// Every bit of a chunk matters: none can be flipped without notice.
func TestFlippedBits(t *testing.T) {
	ch, err := EncodeChange(ChangeMeta{Actor: author, Seq: 1, StartOp: 1}, []Op{setKey("k", StringValue("value"))})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 * len(ch.Bytes()) {
		b := bytes.Clone(ch.Bytes())
		b[i/8] ^= 1 << (i % 8)
		if _, err := ParseChange(b, Limits{}); err == nil {
			t.Errorf("bit %d of byte %d flipped: accepted", i%8, i/8)
		}
	}
}

func TestInflate(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, 127, 128, 16<<10 - 1, 16 << 10, 16<<10 + 1, 32 << 10, 100_000} {
		want := make([]byte, size)
		for i := range want {
			want[i] = byte(r.IntN(5))
		}
		z := deflated(t, want)
		sum := [4]byte{1, 2, 3, 4}
		raw, err := inflateChange(z, sum, size)
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		c, rest, err := NextChunk(raw)
		if err != nil || len(rest) > 0 || c.Type != ChunkChange || c.Checksum != sum || !bytes.Equal(c.Data, want) {
			t.Fatalf("%d bytes come out as chunk of %d bytes, type %d, %v", size, len(c.Data), c.Type, err)
		}
		if cap(raw) != len(raw) && size > 1<<10 && cap(raw) > len(raw)+len(raw)/4 {
			t.Errorf("%d bytes: capacity %d for %d", size, cap(raw), len(raw))
		}
		for _, junk := range [][]byte{{0}, {0xff}, []byte("junk after the end")} {
			if _, err := inflateChange(append(bytes.Clone(z), junk...), sum, size); err == nil {
				t.Errorf("%d bytes: junk %x after the stream is accepted", size, junk)
			}
		}
		if _, err := inflateChange(z[:len(z)-1], sum, size); err == nil {
			t.Errorf("%d bytes: cut off stream is accepted", size)
		}
		if _, err := inflateChange(append([]byte{0x78, 0x9c}, z...), sum, size); err == nil {
			t.Errorf("%d bytes: zlib header is accepted", size)
		}
		if _, err := inflateChange(z, sum, size-1); size > 0 && err == nil {
			t.Errorf("%d bytes: accepted above the limit", size)
		}
	}
}
