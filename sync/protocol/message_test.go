package protocol

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"concord/crdt"
)

func h32(b byte) string { return strings.Repeat(hex.EncodeToString([]byte{b}), 32) }

func TestDecodeRefusals(t *testing.T) {
	for _, c := range []struct{ name, message, field string }{
		{"empty", "", "version"},
		{"version 41", "4100000000", "version"},
		{"heads cut off", "4202" + h32(1), "heads"},
		{"heads count overlong", "42800000000000", "heads"},
		{"heads count above 64 bits", "42ffffffffffffffffffff0100", "heads"},
		{"1,025 heads", "428108" + strings.Repeat(h32(1), 1025) + "000000", "heads"},
		{"need count beyond the message", "4200904e0000", "need"},
		{"10,001 needs", "4200914e" + strings.Repeat(h32(1), 10001) + "0000", "need"},
		{"17 haves", "42000011" + strings.Repeat("0000", 17) + "00", "have"},
		{"lastSync cut off", "4200000101" + h32(1)[:60], "lastSync"},
		{"bloom cut off", "420000010005020a0700", "bloom"},
		{"bloom that lies", "42000001000301ff0700", "bloom bits per entry"},
		{"part cut off", "420000000105ffffffff", "changes"},
		{"more parts than bytes", "42000000ffffffff0f" + strings.Repeat("00", 100), "changes"},
		{"many empty parts", "42000000ff07" + strings.Repeat("00", 1023), "changes"},
		{"changes missing", "42000000", "changes"},
		{"flags cut off", "42000000000302", "flags"},
	} {
		b, err := hex.DecodeString(c.message)
		if err != nil {
			t.Fatal(c.name, err)
		}
		m, err := Decode(b, Limits{})
		var d *DecodeError
		if m != nil || !errors.As(err, &d) || d.Field != c.field || d.Offset > len(b) {
			t.Errorf("%s: %v, want an error about %s", c.name, err, c.field)
		}
	}
}

func TestDecodeLimits(t *testing.T) {
	b, _ := hex.DecodeString("4202" + h32(1) + h32(2) + "01" + h32(3) + "01000400" + "0a07" + "00" + "00")
	for _, lim := range []Limits{{Heads: 1}, {BloomBytes: 3}} {
		if _, err := Decode(b, lim); err == nil {
			t.Errorf("%+v: no error", lim)
		}
	}
}

func TestFlags(t *testing.T) {
	for _, c := range []struct {
		tail                            string
		v2, reset, readOnly, knowsReset bool
	}{
		{"", false, false, false, false},
		{"00", true, false, false, false},
		{"0102", true, false, false, false},
		{"020284", true, false, false, true},
		{"020286", true, false, true, true},
		{"03028284", true, false, true, true},
		{"0181", true, true, false, false},
		{"01f8", true, false, false, false},
		{"020284ffff", true, false, false, true},
	} {
		b, _ := hex.DecodeString("4200000000" + c.tail)
		m, err := Decode(b, Limits{})
		if err != nil {
			t.Fatal(c.tail, err)
		}
		f := m.Flags
		if f.V2() != c.v2 || f.Reset() != c.reset || f.ReadOnly() != c.readOnly || f.KnowsResets() != c.knowsReset {
			t.Errorf("%q: wrong flags %x", c.tail, f)
		}
		if !bytes.Equal(m.Append(nil), b) {
			t.Errorf("%q: re-encoded as %x", c.tail, m.Append(nil))
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, file := range transcripts(f) {
		var tr transcript
		readJSON(f, &tr, strings.TrimPrefix(file, "testdata/"))
		for _, s := range tr.Steps {
			if s.Op == "generate" && s.Message != nil {
				f.Add([]byte(*s.Message))
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b, Limits{})
		if err != nil {
			var d *DecodeError
			if m != nil || !errors.As(err, &d) || d.Offset > len(b) {
				t.Fatalf("message %v, error %v", m, err)
			}
			return
		}
		if got := m.Append(nil); !bytes.Equal(got, b) {
			t.Fatalf("re-encoded\n%x\nwant\n%x", got, b)
		}
		s, d := New(Options{}), newMemory()
		s.Receive(d.document(), m, nil)
		if out := mustGenerate(t, s, d, nil); out == nil {
			t.Fatal("a first message has no answer")
		}
	})
}

func TestLoadRefusals(t *testing.T) {
	for _, c := range []string{"", "42", "43", "4301", "4300ff", "438000", "43ffffffff0f"} {
		b, _ := hex.DecodeString(c)
		if _, err := Load(b, Options{}); err == nil {
			t.Errorf("%q: no error", c)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte{0x43, 0})
	f.Add(New(Options{}).Save())
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Load(b, Options{})
		if err != nil {
			return
		}
		if again, err := Load(s.Save(), Options{}); err != nil || len(again.SharedHeads()) != len(s.SharedHeads()) {
			t.Fatal(err)
		}
	})
}

func TestSortedRemovesRepeats(t *testing.T) {
	a, b := crdt.Hash{1}, crdt.Hash{2}
	in := []crdt.Hash{b, a, b}
	if got := sorted(in); len(got) != 2 || got[0] != a || got[1] != b || in[0] != b {
		t.Fatal(short(got), short(in))
	}
}
