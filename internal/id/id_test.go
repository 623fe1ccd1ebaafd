package id

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// vectors are IDs, heads and URLs written by automerge-repo 2.5.6.
type vectors struct {
	IDs []struct {
		Binary     string   `json:"binary"`
		DocumentID string   `json:"documentId"`
		HexHeads   []string `json:"hexHeads"`
		URL        string   `json:"url"`
	} `json:"ids"`
	Invalid []struct {
		URL string `json:"url"`
	} `json:"invalid"`
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	raw, err := os.ReadFile("testdata/ids.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.IDs) == 0 || len(v.Invalid) == 0 {
		t.Fatal("testdata/ids.json holds no vectors")
	}
	return v
}

func TestVectors(t *testing.T) {
	for _, v := range readVectors(t).IDs {
		d, err := Parse(v.DocumentID)
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(d[:]); got != v.Binary {
			t.Errorf("Parse(%s) = %s, want %s", v.DocumentID, got, v.Binary)
		}
		if got := d.String(); got != v.DocumentID {
			t.Errorf("String of %s = %s, want %s", v.Binary, got, v.DocumentID)
		}
		u, err := ParseURL(v.URL)
		if err != nil {
			t.Fatal(err)
		}
		var heads []string
		for _, head := range u.Heads {
			heads = append(heads, hex.EncodeToString(head[:]))
		}
		if u.Document != d || strings.Join(heads, " ") != strings.Join(v.HexHeads, " ") {
			t.Errorf("ParseURL(%s) = %s %v, want heads %v", v.URL, u.Document, heads, v.HexHeads)
		}
		if got := u.String(); got != v.URL {
			t.Errorf("URL.String = %s, want %s", got, v.URL)
		}
	}
	for _, v := range readVectors(t).Invalid {
		if u, err := ParseURL(v.URL); err == nil {
			t.Errorf("ParseURL(%q) = %v, want an error", v.URL, u)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	const good = "2yNmbsw7qKLDnWoFCdCHEX15o56w"
	for _, test := range []struct {
		name, text string
		want       error
	}{
		{"empty", "", ErrEmpty},
		{"one character", "1", ErrLength},
		{"huge", strings.Repeat("2", 1<<20), ErrLength},
		{"huge and all ones", strings.Repeat("1", 1<<20), ErrLength},
		{"longest text, largest digits", strings.Repeat("z", maxText), ErrLength},
		{"extra leading one", "1" + good, ErrLength},
		{"missing end", good[:26], ErrLength},
		{"last character changed", good[:27] + "x", ErrChecksum},
		{"first characters swapped", "y2" + good[2:], ErrLength},
		{"middle characters swapped", good[:9] + good[10:11] + good[9:10] + good[11:], ErrChecksum},
		{"zero digit", "0" + good[1:], ErrAlphabet},
		{"small L", "l" + good[1:], ErrAlphabet},
		{"not ASCII", "é" + good[2:], ErrAlphabet},
		{"NUL", good + "\x00", ErrAlphabet},
		{"spaces around", " " + good, ErrAlphabet},
		{"hash of 32 bytes", EncodeHash([32]byte{1}), ErrLength},
		{"UUID with a wrong digit", "8d8c0be1-a70d-4145-a7d3-4d9316d45c2g", ErrAlphabet},
		{"UUID with misplaced dashes", "8d8c0be1a-70d-4145-a7d3-4d9316d45c20", ErrLength},
		{"UUID in braces", "{8d8c0be1-a70d-4145-a7d3-4d9316d45c20}", ErrAlphabet},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, err := Parse(test.text)
			if !errors.Is(err, test.want) {
				t.Errorf("Parse = %v, %v, want %v", d, err, test.want)
			}
			if d != (DocumentID{}) {
				t.Errorf("Parse returned %x beside an error", d[:])
			}
			if err != nil && len(err.Error()) > 300 {
				t.Errorf("the error text has %d bytes", len(err.Error()))
			}
		})
	}
}

func TestParseUUID(t *testing.T) {
	want, err := Parse("2yNmbsw7qKLDnWoFCdCHEX15o56w")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"8d8c0be1-a70d-4145-a7d3-4d9316d45c20", "8D8C0BE1-A70D-4145-A7D3-4D9316D45C20"} {
		got, err := Parse(text)
		if err != nil || got != want {
			t.Errorf("Parse(%s) = %v, %v, want %v", text, got, err, want)
		}
		if _, err := ParseText([]byte(text)); !errors.Is(err, ErrLength) && !errors.Is(err, ErrAlphabet) {
			t.Errorf("ParseText(%s) = %v, want a refusal", text, err)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	const doc = "automerge:2yNmbsw7qKLDnWoFCdCHEX15o56w"
	head := EncodeHash([32]byte{7})
	for _, text := range []string{
		doc + "#|", doc + "#" + head + "|", doc + "#" + head + "#" + head, doc + "?x", "automerge:" + doc,
		doc + "#" + strings.Repeat(head+"|", maxURLHeads) + head,
		doc + "#" + strings.Repeat("|", 1<<22),
		strings.Repeat("automerge:", 1<<20),
	} {
		if _, err := ParseURL(text); err == nil {
			t.Errorf("ParseURL(%.60q…) succeeded", text)
		}
	}
	most := doc + "#" + strings.Repeat(head+"|", maxURLHeads-1) + head
	if u, err := ParseURL(most); err != nil || len(u.Heads) != maxURLHeads {
		t.Errorf("ParseURL with %d heads = %d heads, %v", maxURLHeads, len(u.Heads), err)
	}
	u, err := ParseURL(doc + "#")
	if err != nil || u.Heads == nil || len(u.Heads) != 0 {
		t.Errorf("ParseURL with an empty heads section = %#v, %v, want heads that are empty and not nil", u.Heads, err)
	}
}

func TestText(t *testing.T) {
	type holder struct{ Document DocumentID }
	want := holder{DocumentID{1, 2, 3}}
	raw, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got holder
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := json.Unmarshal([]byte(`{"Document":"x"}`), &got); err == nil || got != want {
		t.Errorf("a wrong text gave %v, %v, want an error and the value unchanged", got, err)
	}
}

// slowText is base58check by the book, with big integers.
func slowText(payload []byte) string {
	sum := checksum(payload)
	data := append(bytes.Clone(payload), sum[:]...)
	n, mod, base := new(big.Int).SetBytes(data), new(big.Int), big.NewInt(58)
	var text []byte
	for n.Sign() > 0 {
		n.DivMod(n, base, mod)
		text = append([]byte{alphabet[mod.Int64()]}, text...)
	}
	for _, b := range data {
		if b != 0 {
			break
		}
		text = append([]byte{'1'}, text...)
	}
	return string(text)
}

func TestAgreesWithBigIntegers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zeros := rapid.IntRange(0, 32).Draw(t, "zeros")
		var hash [32]byte
		copy(hash[zeros:], rapid.SliceOfN(rapid.Byte(), 32-zeros, 32-zeros).Draw(t, "rest"))
		text := EncodeHash(hash)
		if want := slowText(hash[:]); text != want {
			t.Fatalf("EncodeHash(%x) = %s, want %s", hash, text, want)
		}
		if got, err := DecodeHash(text); err != nil || got != hash {
			t.Fatalf("DecodeHash(%s) = %x, %v, want %x", text, got, err, hash)
		}
		if len(text) > maxText {
			t.Fatalf("%s has %d characters", text, len(text))
		}
		d := DocumentID(hash[:16])
		if want := slowText(d[:]); d.String() != want {
			t.Fatalf("String of %x = %s, want %s", d[:], d, want)
		}
		if got, err := Parse(d.String()); err != nil || got != d {
			t.Fatalf("Parse(%s) = %x, %v", d, got[:], err)
		}
	})
}

// FuzzParse holds that whatever is accepted is the one text of its value.
func FuzzParse(f *testing.F) {
	for _, v := range readVectors(f).IDs {
		f.Add(v.DocumentID)
		f.Add(v.URL)
		if _, head, ok := strings.Cut(v.URL, "#"); ok {
			f.Add(head)
		}
	}
	for _, v := range readVectors(f).Invalid {
		f.Add(v.URL)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := Parse(text); err == nil && d.String() != text && len(text) != uuidText {
			t.Errorf("Parse(%q).String() = %q", text, d)
		}
		if h, err := DecodeHash(text); err == nil && EncodeHash(h) != text {
			t.Errorf("DecodeHash(%q) encodes as %q", text, EncodeHash(h))
		}
		if u, err := ParseURL(text); err == nil {
			again, err := ParseURL(u.String())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(u, again); diff != "" {
				t.Error(diff)
			}
		}
		fast, fastErr := ParseText([]byte(text))
		slow, slowErr := Parse(text)
		if fastErr == nil && (slowErr != nil || fast != slow) {
			t.Errorf("ParseText(%q) = %v, Parse = %v, %v", text, fast, slow, slowErr)
		}
	})
}

func TestNoAllocations(t *testing.T) {
	d := DocumentID{1, 2, 3}
	text := []byte(d.String())
	buf := make([]byte, 0, 64)
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := ParseText(text); err != nil {
			t.Fatal(err)
		}
		if _, err := d.AppendText(buf); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("ParseText and AppendText allocate %v times", allocs)
	}
}

func BenchmarkParseText(b *testing.B) {
	text := []byte("2yNmbsw7qKLDnWoFCdCHEX15o56w")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseText(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendText(b *testing.B) {
	d, err := Parse("2yNmbsw7qKLDnWoFCdCHEX15o56w")
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = d.AppendText(buf[:0])
	}
}
