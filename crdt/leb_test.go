package crdt

import (
	"bytes"
	"encoding/hex"
	"strconv"
	"testing"
)

func TestLEBVectors(t *testing.T) {
	var v struct {
		Unsigned, Signed [][2]string
		BadLeb           struct{ Unsigned, Signed map[string]string }
	}
	readJSON(t, "codec/columns.json", &v)
	for _, c := range v.Unsigned {
		want, err := strconv.ParseUint(c[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		enc := unhex(t, c[1])
		if got := appendUleb(nil, want); !bytes.Equal(got, enc) || ulebLen(want) != len(enc) {
			t.Errorf("uleb %d = %x, want %x", want, got, enc)
		}
		got, n, err := readUleb(append(enc, 0xff))
		if got != want || n != len(enc) || err != nil {
			t.Errorf("read uleb %x = %d, %d, %v", enc, got, n, err)
		}
	}
	for _, c := range v.Signed {
		want, err := strconv.ParseInt(c[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		enc := unhex(t, c[1])
		if got := appendSleb(nil, want); !bytes.Equal(got, enc) {
			t.Errorf("sleb %d = %x, want %x", want, got, enc)
		}
		got, n, err := readSleb(append(enc, 0xff))
		if got != want || n != len(enc) || err != nil {
			t.Errorf("read sleb %x = %d, %d, %v", enc, got, n, err)
		}
	}
	for s, why := range v.BadLeb.Unsigned {
		if got, _, err := readUleb(unhex(t, s)); err == nil {
			t.Errorf("read uleb %s (%s) = %d", s, why, got)
		}
	}
	for s, why := range v.BadLeb.Signed {
		if got, _, err := readSleb(unhex(t, s)); err == nil {
			t.Errorf("read sleb %s (%s) = %d", s, why, got)
		}
	}
}

// Every byte string is either refused or the one encoding of its number.
func TestLEBHasOneForm(t *testing.T) {
	tails := []string{"", "00", "01", "3f", "40", "7f", "80", "ff", "8000", "ff7f", "ff00", "807f", "8101"}
	for first := range 256 {
		for _, tail := range tails {
			for _, middle := range []string{"", "80", "ff", "ffffffffffffff", "80808080808080", "8080808080808080"} {
				b := append([]byte{byte(first)}, unhex(t, middle+tail)...)
				if v, n, err := readUleb(b); err == nil && !bytes.Equal(appendUleb(nil, v), b[:n]) {
					t.Errorf("uleb %s has a second form", hex.EncodeToString(b[:n]))
				}
				if v, n, err := readSleb(b); err == nil && !bytes.Equal(appendSleb(nil, v), b[:n]) {
					t.Errorf("sleb %s has a second form", hex.EncodeToString(b[:n]))
				}
			}
		}
	}
}
