package wire

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"concord/internal/id"
)

// rawField is one entry of a hand-made map.
type rawField struct {
	key   string
	value []byte
}

func rawMap(fields []rawField) []byte {
	b := appendHead(nil, majorMap, uint64(len(fields)))
	for _, f := range fields {
		b = append(appendText(b, f.key), f.value...)
	}
	return b
}

func rawText(s string) []byte { return appendText(nil, s) }

func rawArray(items ...[]byte) []byte {
	b := appendHead(nil, majorArray, uint64(len(items)))
	return append(b, bytes.Join(items, nil)...)
}

// kind is a set of CBOR values that a field may take.
type kind int

const (
	kindText kind = iota
	kindBytes
	kindNumber
	kindBool
	kindTexts
	kindMap
)

// values are CBOR values of every type, and for which kinds of field they have the right type.
var values = []struct {
	name string
	hex  string
	fits []kind
}{
	{"zero", "00", []kind{kindNumber}},
	{"uint8", "18ff", []kind{kindNumber}},
	{"uint8 that is not minimal", "1801", []kind{kindNumber}},
	{"uint16", "19ffff", []kind{kindNumber}},
	{"uint32", "1affffffff", []kind{kindNumber}},
	{"uint64 2^53", "1b0020000000000000", []kind{kindNumber}},
	{"uint64 2^53+1", "1b0020000000000001", nil},
	{"uint64 max", "1bffffffffffffffff", nil},
	{"minus one", "20", nil},
	{"negative int64", "3b7fffffffffffffff", nil},
	{"negative beyond int64", "3bffffffffffffffff", nil},
	{"empty bytes", "40", nil},
	{"bytes", "43010203", []kind{kindBytes}},
	{"bytes with a long head", "5b0000000000000003010203", []kind{kindBytes}},
	{"bytes tagged as Uint8Array", "d84043010203", []kind{kindBytes}},
	{"bytes tagged so with a long head", "d9004043010203", []kind{kindBytes}},
	{"bytes tagged so twice", "d840d84043010203", nil},
	{"empty bytes tagged so", "d84040", nil},
	{"text tagged so", "d8406161", nil},
	{"bytes with another tag", "d81843010203", nil},
	{"text", "6161", []kind{kindText}},
	{"text with a long head", "7b000000000000000161", []kind{kindText}},
	{"tagged text", "d8206161", nil},
	{"empty array", "80", []kind{kindTexts}},
	{"array of texts", "8261616162", []kind{kindTexts}},
	{"array of texts, indefinite", "9f61616162ff", []kind{kindTexts}},
	{"array of integers", "820102", nil},
	{"array with undefined", "826161f7", nil},
	{"array with an array", "82806161", nil},
	{"array of bytes", "814161", nil},
	{"empty map", "a0", []kind{kindMap}},
	{"empty map, indefinite", "bfff", []kind{kindMap}},
	{"empty map, 16-bit length", "b90000", []kind{kindMap}},
	{"map with an integer key", "a101f5", nil},
	{"map with a key twice", "a26161016161f7", nil},
	{"date", "c11a00000000", nil},
	{"big integer", "c24101", nil},
	{"Map", "d90103a0", nil},
	{"false", "f4", []kind{kindBool}},
	{"true", "f5", []kind{kindBool}},
	{"simple value", "f0", nil},
	{"simple value 255", "f8ff", nil},
	{"half float 1.5", "f93e00", nil},
	{"half float 1", "f93c00", []kind{kindNumber}},
	{"half float smallest", "f90001", nil},
	{"half float infinity", "f97c00", nil},
	{"half float NaN", "f97e00", nil},
	{"half float minus zero", "f98000", []kind{kindNumber}},
	{"single float 16777216", "fa4b800000", []kind{kindNumber}},
	{"single float 1.5", "fa3fc00000", nil},
	{"single float infinity", "fa7f800000", nil},
	{"float 2^32", "fb41f0000000000000", []kind{kindNumber}},
	{"float 2^53", "fb4340000000000000", []kind{kindNumber}},
	{"float above 2^53", "fb4340000000000001", nil},
	{"float minus one", "fbbff0000000000000", nil},
	{"float NaN", "fb7ff8000000000000", nil},
	{"float infinity", "fb7ff0000000000000", nil},
	{"float minus infinity", "fbfff0000000000000", nil},
	{"float 0.5", "fb3fe0000000000000", nil},
}

// schemas name the fields of every message. The samples of these types have them all.
var schemas = map[string][]struct {
	name     string
	kind     kind
	optional bool
}{
	TypeJoin:                     {{"senderId", kindText, false}, {"peerMetadata", kindMap, true}, {"supportedProtocolVersions", kindTexts, true}},
	TypePeer:                     {{"senderId", kindText, false}, {"targetId", kindText, true}, {"peerMetadata", kindMap, true}, {"selectedProtocolVersion", kindText, false}},
	TypeError:                    {{"senderId", kindText, false}, {"targetId", kindText, true}, {"message", kindText, false}},
	TypeSync:                     {{"senderId", kindText, false}, {"targetId", kindText, true}, {"documentId", kindText, false}, {"data", kindBytes, false}},
	TypeRequest:                  {{"senderId", kindText, false}, {"targetId", kindText, true}, {"documentId", kindText, false}, {"data", kindBytes, false}},
	TypeDocUnavailable:           {{"senderId", kindText, false}, {"targetId", kindText, true}, {"documentId", kindText, false}},
	TypeEphemeral:                {{"senderId", kindText, false}, {"targetId", kindText, true}, {"documentId", kindText, false}, {"data", kindBytes, false}, {"count", kindNumber, false}, {"sessionId", kindText, false}},
	TypeLeave:                    {{"senderId", kindText, false}},
	TypeRemoteSubscriptionChange: {{"senderId", kindText, false}, {"targetId", kindText, true}, {"add", kindTexts, true}, {"remove", kindTexts, true}},
	TypeRemoteHeadsChanged:       {{"senderId", kindText, false}, {"targetId", kindText, true}, {"documentId", kindText, false}, {"newHeads", kindMap, false}},
	TypeToken:                    {{"senderId", kindText, true}, {"token", kindText, false}},
	TypeTokenAnswer:              {{"senderId", kindText, false}, {"targetId", kindText, true}, {"accepted", kindBool, false}, {"expires", kindNumber, true}, {"message", kindText, true}},
}

// fieldsOf splits a frame of ours into its entries.
func fieldsOf(t testing.TB, frame []byte) []rawField {
	t.Helper()
	var fields []rawField
	r := reader{b: frame, depth: 16, items: 1000}
	_, err := r.entries(0, func(key []byte, value int) error {
		end, err := (&reader{b: frame, depth: 16, items: 1000}).skip(value)
		fields = append(fields, rawField{string(key), frame[value:end]})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return fields
}

func replaced(fields []rawField, name string, value []byte) []rawField {
	fields = slices.Clone(fields)
	for i := range fields {
		if fields[i].key == name {
			fields[i].value = value
		}
	}
	return fields
}

func TestWrongTypes(t *testing.T) {
	tried := 0
	for _, sample := range samples {
		fields := fieldsOf(t, sample.Append(nil))
		schema := schemas[sample.Type()]
		if len(fields) != len(schema)+1 {
			t.Fatalf("%s has %d fields in the sample, %d in the schema", sample.Type(), len(fields), len(schema)+1)
		}
		for _, field := range schema {
			for _, value := range values {
				tried++
				frame := rawMap(replaced(fields, field.name, unhex(t, value.hex)))
				_, err := Decode(frame, Limits{})
				// A text of the right type is still no document ID.
				fits := slices.Contains(value.fits, field.kind) && field.name != "documentId"
				checkField(t, fmt.Sprintf("%s with %s as %s", sample.Type(), value.name, field.name), err, field.name, fits)
			}
			for name, absent := range map[string][]byte{"undefined": {cborUndefined}, "null": {cborNull}} {
				_, err := Decode(rawMap(replaced(fields, field.name, absent)), Limits{})
				checkField(t, fmt.Sprintf("%s with %s as %s", sample.Type(), name, field.name), err, field.name, field.optional)
			}
			without := slices.DeleteFunc(slices.Clone(fields), func(f rawField) bool { return f.key == field.name })
			_, err := Decode(rawMap(without), Limits{})
			checkField(t, fmt.Sprintf("%s without %s", sample.Type(), field.name), err, field.name, field.optional)

			twice := append(slices.Clone(fields), rawField{field.name, []byte{cborUndefined}})
			if _, err := Decode(rawMap(twice), Limits{}); !errors.Is(err, errRepeated) {
				t.Errorf("%s with %s twice: %v", sample.Type(), field.name, err)
			}
		}
		// A field that another message has is not looked into.
		for other := range fieldCount {
			name := fieldNames[other]
			if slices.ContainsFunc(fields, func(f rawField) bool { return f.key == name }) {
				continue
			}
			frame := rawMap(append(slices.Clone(fields), rawField{name, unhex(t, "fb7ff8000000000000")}))
			got, err := Decode(frame, Limits{})
			if err != nil {
				t.Errorf("%s with a %s: %v", sample.Type(), name, err)
			} else if diff := cmp.Diff(sample, got); diff != "" {
				t.Errorf("%s with a %s (-want +got):\n%s", sample.Type(), name, diff)
			}
		}
	}
	if tried < 1500 {
		t.Errorf("the table has %d cases", tried)
	}
}

// checkField holds that err is nil, or blames the field.
func checkField(t *testing.T, what string, err error, field string, accept bool) {
	t.Helper()
	if accept {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		return
	}
	if !errors.Is(err, ErrMalformed) || errors.Is(err, ErrUnknownType) {
		t.Errorf("%s: %v, want ErrMalformed", what, err)
		return
	}
	var blame *FieldError
	switch {
	case errors.As(err, &blame):
		if name, _, _ := strings.Cut(blame.Field, "."); name != field {
			t.Errorf("%s: %v, want field %s blamed", what, err, field)
		}
	case err != errUTF8 && err != errTruncated && err != errReserved && err != errKey:
		t.Errorf("%s: %v, want a field blamed", what, err)
	}
}

func TestWrongType(t *testing.T) {
	for _, value := range values {
		frame := rawMap([]rawField{{"type", unhex(t, value.hex)}, {"senderId", rawText("a")}})
		_, err := Decode(frame, Limits{})
		if slices.Contains(value.fits, kindText) {
			if !errors.Is(err, ErrUnknownType) || errors.Is(err, ErrMalformed) {
				t.Errorf("type %s: %v, want ErrUnknownType", value.name, err)
			}
			continue
		}
		checkField(t, "type "+value.name, err, "type", false)
	}
	_, err := Decode(rawMap([]rawField{{"type", rawText(strings.Repeat("é", 1<<20))}}), Limits{})
	if !errors.Is(err, ErrUnknownType) || len(err.Error()) > 200 {
		t.Errorf("a huge type gave %.300v", err)
	}
}

func TestNestedFields(t *testing.T) {
	head := rawText(id.EncodeHash([32]byte{9}))
	good := []rawField{{"heads", rawArray(head)}, {"timestamp", []byte{5}}}
	newHeads := func(storage []rawField) []rawField {
		inner := rawMap([]rawField{{"s", rawMap(storage)}})
		return replaced(fieldsOf(t, samples[9].Append(nil)), "newHeads", inner)
	}
	metadata := func(value []byte) []rawField {
		return replaced(fieldsOf(t, samples[0].Append(nil)), "peerMetadata", value)
	}
	for _, test := range []struct {
		name   string
		fields []rawField
		field  string // "" if accepted
	}{
		{"good heads", newHeads(good), ""},
		{"unknown field beside heads", newHeads(append(slices.Clone(good), rawField{"x", []byte{1}})), ""},
		{"heads in hex", newHeads(replaced(good, "heads", rawArray(rawText(strings.Repeat("0a", 32))))), ""},
		{"heads in wrong hex", newHeads(replaced(good, "heads", rawArray(rawText(strings.Repeat("0g", 32))))), "newHeads.heads"},
		{"head with a wrong checksum", newHeads(replaced(good, "heads", rawArray(rawText(strings.Repeat("2", 44))))), "newHeads.heads"},
		{"head as bytes", newHeads(replaced(good, "heads", rawArray([]byte{0x41, 1}))), "newHeads.heads"},
		{"heads as text", newHeads(replaced(good, "heads", head)), "newHeads.heads"},
		{"heads undefined", newHeads(replaced(good, "heads", []byte{cborUndefined})), "newHeads.heads"},
		{"heads missing", newHeads(good[1:]), "newHeads.heads"},
		{"heads twice", newHeads(append(slices.Clone(good), good[0])), "newHeads"},
		{"unknown field twice", newHeads(append(slices.Clone(good), rawField{"x", []byte{1}}, rawField{"x", []byte{1}})), "newHeads"},
		{"timestamp missing", newHeads(good[:1]), "newHeads.timestamp"},
		{"timestamp text", newHeads(replaced(good, "timestamp", rawText("5"))), "newHeads.timestamp"},
		{"timestamp NaN", newHeads(replaced(good, "timestamp", unhex(t, "f97e00"))), "newHeads.timestamp"},
		{"storage is text", replaced(newHeads(good), "newHeads", rawMap([]rawField{{"s", rawText("s")}})), "newHeads"},
		{"storage undefined", replaced(newHeads(good), "newHeads", rawMap([]rawField{{"s", []byte{cborUndefined}}})), ""},
		{"storage twice", replaced(newHeads(good), "newHeads", rawMap([]rawField{{"s", rawMap(good)}, {"s", rawMap(good)}})), "newHeads"},
		{"storage twice, once undefined", replaced(newHeads(good), "newHeads", rawMap([]rawField{{"s", []byte{cborUndefined}}, {"s", rawMap(good)}})), "newHeads"},
		{"storage without a name", replaced(newHeads(good), "newHeads", rawMap([]rawField{{"", rawMap(good)}})), "newHeads"},

		{"metadata with more in it", metadata(rawMap([]rawField{{"x", rawArray()}, {"isEphemeral", []byte{cborFalse}}})), ""},
		{"storageId null", metadata(rawMap([]rawField{{"storageId", []byte{cborNull}}})), ""},
		{"storageId a number", metadata(rawMap([]rawField{{"storageId", []byte{1}}})), "peerMetadata.storageId"},
		{"storageId an array", metadata(rawMap([]rawField{{"storageId", rawArray()}})), "peerMetadata.storageId"},
		{"storageId too long", metadata(rawMap([]rawField{{"storageId", rawText(strings.Repeat("s", 257))}})), "peerMetadata.storageId"},
		{"storageId twice", metadata(rawMap([]rawField{{"storageId", []byte{cborNull}}, {"storageId", rawText("s")}})), "peerMetadata"},
		{"isEphemeral a number", metadata(rawMap([]rawField{{"isEphemeral", []byte{1}}})), "peerMetadata.isEphemeral"},
		{"metadata an array", metadata(rawArray()), "peerMetadata"},
		{"versions with a number", replaced(metadata([]byte{0xa0}), "supportedProtocolVersions", rawArray([]byte{1})), "supportedProtocolVersions"},
		{"empty sender", replaced(metadata([]byte{0xa0}), "senderId", rawText("")), "senderId"},
	} {
		_, err := Decode(rawMap(test.fields), Limits{})
		var blame *FieldError
		switch {
		case test.field == "":
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
		case !errors.As(err, &blame) || blame.Field != test.field:
			t.Errorf("%s: %v, want %s blamed", test.name, err, test.field)
		}
	}
}

func TestTruncatedAndExtended(t *testing.T) {
	frames := [][]byte{}
	for _, frame := range capturedFrames(t) {
		frames = append(frames, frame.bytes)
	}
	for _, m := range samples {
		frames = append(frames, m.Append(nil))
	}
	for _, frame := range frames {
		for end := range frame {
			if m, err := Decode(frame[:end:end], Limits{}); !errors.Is(err, ErrMalformed) || m != nil {
				t.Errorf("%d of %d bytes of %x: %v, %v", end, len(frame), frame, m, err)
			}
		}
		for _, tail := range [][]byte{{0}, {cborBreak}, frame} {
			if _, err := Decode(append(slices.Clone(frame), tail...), Limits{}); err != errTrailing {
				t.Errorf("bytes after %x: %v", frame, err)
			}
		}
	}
}

func TestFrameForms(t *testing.T) {
	leave := []rawField{{"type", rawText("leave")}, {"senderId", rawText("a")}}
	body := rawMap(leave)[1:]
	open := append(append([]byte{0xbf}, body...), cborBreak)
	for _, test := range []struct {
		name  string
		frame []byte
		want  error
	}{
		{"map16", append([]byte{0xb9, 0, 2}, body...), nil},
		{"map64", append([]byte{0xbb, 0, 0, 0, 0, 0, 0, 0, 2}, body...), nil},
		{"indefinite map", open, nil},
		{"indefinite map without an end", open[:len(open)-1], errTruncated},
		{"indefinite map that ends after a key", append(append([]byte{0xbf}, body...), 0x61, 'x', cborBreak), errReserved},
		{"self-described", append([]byte{0xd9, 0xd9, 0xf7}, rawMap(leave)...), nil},
		{"self-described twice", append([]byte{0xd9, 0xd9, 0xf7, 0xd9, 0xd9, 0xf7}, rawMap(leave)...), errNotMap},
		{"another tag", append([]byte{0xc1}, rawMap(leave)...), errNotMap},
		{"empty", nil, errTruncated},
		{"a lone break", []byte{cborBreak}, errReserved},
		{"an array", rawArray(rawMap(leave)), errNotMap},
		{"text", rawText("leave"), errNotMap},
		{"map of nothing", []byte{0xa0}, ErrMalformed},
		{"indefinite text as value", rawMap(append(leave, rawField{"x", unhex(t, "7f6161ff")})), errIndefinite},
		{"indefinite text as key", append([]byte{0xa1}, unhex(t, "7f6161ff01")...), errIndefinite},
		{"indefinite bytes", rawMap(append(leave, rawField{"x", unhex(t, "5f4161ff")})), errIndefinite},
		{"bytes as key", append(append([]byte{0xa3}, body...), 0x41, 'x', 1), errKey},
		{"invalid UTF-8 as key", append(append([]byte{0xa3}, body...), 0x61, 0xff, 1), errUTF8},
		{"invalid UTF-8 in an unknown field", rawMap(append(leave, rawField{"x", unhex(t, "8162c328")})), errUTF8},
		{"lone surrogate", rawMap(replaced(leave, "senderId", unhex(t, "63eda080"))), errUTF8},
		{"reserved head", rawMap(append(leave, rawField{"x", []byte{0x1c}})), errReserved},
		{"simple value in two bytes that fits one", rawMap(append(leave, rawField{"x", []byte{0xf8, 0x14}})), errReserved},
		{"break as value", rawMap(append(leave, rawField{"x", []byte{cborBreak}})), errReserved},
		{"break in an array of known length", rawMap(append(leave, rawField{"x", []byte{0x81, cborBreak}})), errReserved},
		{"break under a tag", rawMap(append(leave, rawField{"x", []byte{0x9f, 0xc1, cborBreak, cborBreak}})), errReserved},
		{"unknown key twice", rawMap(append(leave, rawField{"x", []byte{1}}, rawField{"x", []byte{2}})), errRepeated},
		{"key twice below an unknown field", rawMap(append(leave, rawField{"x", unhex(t, "a2616101616102")})), nil},
		{"unknown values of every type", rawMap(append(leave, rawField{"x", unhex(t, "8a01206161416180a0c101f6f0fb7ff8000000000000")})), nil},
		{"integer keys below an unknown field", rawMap(append(leave, rawField{"x", unhex(t, "a1f501")})), nil},
	} {
		m, err := Decode(test.frame, Limits{})
		if !errors.Is(err, test.want) || err == nil && m != (Leave{"a"}) {
			t.Errorf("%s: %v, %v, want %v", test.name, m, err, test.want)
		}
		if test.want != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v is not ErrMalformed", test.name, err)
		}
	}
}
