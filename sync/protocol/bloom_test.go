package protocol

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"concord/crdt"

	"github.com/google/go-cmp/cmp"
)

type bloomVector struct {
	Entries         int
	Hashes          json.RawMessage // hex strings, or a rule with a prefix
	Hex             unhex
	FalsePositives  []int
	ProbePrefix     string
	Probes          [][]uint64
	FromSyncMessage unhex
}

func (v *bloomVector) hashes(t *testing.T) (hs []crdt.Hash) {
	var list []string
	if json.Unmarshal(v.Hashes, &list) == nil {
		for _, s := range list {
			h, err := crdt.ParseHash(s)
			if err != nil {
				t.Fatal(err)
			}
			hs = append(hs, h)
		}
		return hs
	}
	var rule struct{ Prefix string }
	if err := json.Unmarshal(v.Hashes, &rule); err != nil {
		t.Fatal(err)
	}
	for i := range v.Entries {
		hs = append(hs, sha256.Sum256(fmt.Append(nil, rule.Prefix, i)))
	}
	return hs
}

func TestBloomVectors(t *testing.T) {
	var vectors []bloomVector
	readJSON(t, &vectors, "sync", "bloom.json")
	for _, v := range vectors {
		t.Run(fmt.Sprint(v.Entries), func(t *testing.T) {
			hs := v.hashes(t)
			f := BuildBloom(len(hs), func(i int) crdt.Hash { return hs[i] })
			if !bytes.Equal(f.Bytes(), v.Hex) {
				t.Fatalf("built %x, want %x", f.Bytes(), v.Hex)
			}
			decoded, err := DecodeBloom(v.Hex)
			if err != nil {
				t.Fatal(err)
			}
			for n, h := range hs {
				if !f.Contains(h) || !decoded.Contains(h) {
					t.Fatalf("hash %d isn't in", n)
				}
				if v.Probes != nil {
					var probes []uint64
					for p := f.first(&h); p.left > 0; p.next() {
						probes = append(probes, p.x)
					}
					if diff := cmp.Diff(v.Probes[n], probes); diff != "" {
						t.Fatalf("probes of hash %d (-want +got)\n%s", n, diff)
					}
				}
			}
			if v.ProbePrefix == "" {
				return
			}
			var positives []int
			for i := range 200 {
				if decoded.Contains(sha256.Sum256(fmt.Append(nil, v.ProbePrefix, i))) {
					positives = append(positives, i)
				}
			}
			if !slices.Equal(positives, v.FalsePositives) {
				t.Fatalf("false positives %v, want %v", positives, v.FalsePositives)
			}
		})
	}
}

func TestBloomRefusals(t *testing.T) {
	for _, c := range []struct{ name, raw string }{
		{"cut off", "02"},
		{"bits per entry 0", "020007"},
		{"bits per entry 33", "022107000000000000000000"},
		{"no probes", "020a00000000"},
		{"17 probes", "020a11000000"},
		{"too few bits", "020a070000"},
		{"bytes after the bits", "020a0700000000"},
		{"entries above 32 bits", "80808080100a07"},
		{"2^32-1 entries in no bytes", "ffffffff0f0a07"},
		{"overlong number", "82000a07000000"},
	} {
		raw, err := hex.DecodeString(c.raw)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeBloom(raw); err == nil {
			t.Errorf("%s: no error", c.name)
		}
	}
	if f, err := DecodeBloom([]byte{0, 10, 7}); err != nil || f.Contains(crdt.Hash{}) || !f.Empty() {
		t.Errorf("filter of no entries: %v", err)
	}
}
