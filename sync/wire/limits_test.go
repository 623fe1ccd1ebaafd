package wire

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

func TestLimits(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	many := func(n int) []string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf("storage-%d", i)
		}
		return list
	}
	storages := func(storages, heads int) RemoteHeadsChanged {
		m := RemoteHeadsChanged{SenderID: "s"}
		for _, storageID := range many(storages) {
			m.NewHeads = append(m.NewHeads, StorageHeads{StorageID: storageID, Heads: make([][32]byte, heads)})
		}
		return m
	}
	for _, test := range []struct {
		field string
		most  int
		make  func(n int) Message
	}{
		{"senderId", 1024, func(n int) Message { return Leave{long(n)} }},
		{"targetId", 1024, func(n int) Message { return DocUnavailable{SenderID: "a", TargetID: long(n)} }},
		{"senderId", 1024, func(n int) Message { return Token{SenderID: long(n)} }},
		{"token", 8192, func(n int) Message { return Token{Token: long(n)} }},
		{"message", 4096, func(n int) Message { return Error{SenderID: "a", Message: long(n)} }},
		{"sessionId", 256, func(n int) Message { return Ephemeral{SenderID: "a", SessionID: long(n), Data: []byte{0}} }},
		{"peerMetadata.storageId", 256, func(n int) Message { return Join{SenderID: "a", Metadata: PeerMetadata{StorageID: long(n)}} }},
		{"supportedProtocolVersions", 16, func(n int) Message { return Join{SenderID: "a", Versions: many(n)} }},
		{"supportedProtocolVersions", 4096, func(n int) Message { return Join{SenderID: "a", Versions: []string{long(n)}} }},
		{"add", 1024, func(n int) Message { return RemoteSubscriptionChange{SenderID: "a", Add: many(n)} }},
		{"remove", 1024, func(n int) Message { return RemoteSubscriptionChange{SenderID: "a", Remove: many(n)} }},
		{"add", 256, func(n int) Message { return RemoteSubscriptionChange{SenderID: "a", Add: []string{long(n)}} }},
		{"newHeads", 1024, func(n int) Message { return storages(n, 1) }},
		{"newHeads.heads", 1024, func(n int) Message { return storages(1, n) }},
		{"newHeads", 256, func(n int) Message {
			return RemoteHeadsChanged{SenderID: "a", NewHeads: []StorageHeads{{StorageID: long(n)}}}
		}},
	} {
		if _, err := Decode(test.make(test.most).Append(nil), Limits{}); err != nil {
			t.Errorf("%s with %d: %v", test.field, test.most, err)
		}
		_, err := Decode(test.make(test.most+1).Append(nil), Limits{})
		var blame *FieldError
		if !errors.As(err, &blame) || blame.Field != test.field {
			t.Errorf("%s with %d: %v, want the field blamed", test.field, test.most+1, err)
		}
	}
	if _, err := Decode(storages(1024, 32).Append(nil), Limits{}); !errors.Is(err, errItems) {
		t.Errorf("32,768 heads in one frame: %v", err)
	}
	// Arrays of indefinite length are counted as they are read.
	open := append([]byte{0x9f}, bytes.Repeat([]byte{0x60}, 1025)...)
	fields := replaced(fieldsOf(t, samples[8].Append(nil)), "add", append(open, cborBreak))
	var blame *FieldError
	if _, err := Decode(rawMap(fields), Limits{}); !errors.As(err, &blame) || blame.Field != "add" {
		t.Errorf("1,025 entries in an open array: %v", err)
	}
}

func TestFrameLimit(t *testing.T) {
	m := Sync{SenderID: "a", Data: make([]byte, 16<<20-200)}
	frame := m.Append(nil)
	if _, err := Decode(frame, Limits{}); err != nil {
		t.Errorf("frame of %d bytes: %v", len(frame), err)
	}
	if _, err := Decode(frame, Limits{Frame: len(frame)}); err != nil {
		t.Errorf("frame at its limit: %v", err)
	}
	_, err := Decode(frame, Limits{Frame: len(frame) - 1})
	if !errors.Is(err, ErrTooLarge) || errors.Is(err, ErrMalformed) {
		t.Errorf("frame above its limit: %v", err)
	}
	if c := CloseFor(err); c == nil || c.Code != CloseTooLarge {
		t.Errorf("frame above its limit closes with %v", c)
	}
}

func TestFieldCountLimit(t *testing.T) {
	fields := fieldsOf(t, Leave{"a"}.Append(nil))
	for i := len(fields); i < maxFields; i++ {
		fields = append(fields, rawField{fmt.Sprint("x", i), []byte{1}})
	}
	if _, err := Decode(rawMap(fields), Limits{}); err != nil {
		t.Errorf("%d fields: %v", len(fields), err)
	}
	fields = append(fields, rawField{"one more", []byte{1}})
	if _, err := Decode(rawMap(fields), Limits{}); !errors.Is(err, ErrMalformed) {
		t.Errorf("%d fields: %v", len(fields), err)
	}
}

func TestDepthLimit(t *testing.T) {
	for name, wrap := range map[string][]byte{"array": {0x81}, "map": {0xa1, 0x00}, "tag": {0xc1}, "open array": {0x9f}} {
		nested := func(depth int) []byte {
			value := append(bytes.Repeat(wrap, depth), 0x00)
			if wrap[0] == 0x9f {
				value = append(value, bytes.Repeat([]byte{cborBreak}, depth)...)
			}
			return rawMap(append(fieldsOf(t, Leave{"a"}.Append(nil)), rawField{"x", value}))
		}
		if _, err := Decode(nested(15), Limits{}); err != nil {
			t.Errorf("%s 15 deep in the message: %v", name, err)
		}
		for _, depth := range []int{16, 17, 1 << 20} {
			if _, err := Decode(nested(depth), Limits{}); !errors.Is(err, errDepth) {
				t.Errorf("%s %d deep in the message: %v", name, depth, err)
			}
		}
	}
}

// allocated returns the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestLengthBombs holds that a length in a frame costs no memory before the bytes are there.
func TestLengthBombs(t *testing.T) {
	lengths := []string{"9affffffff", "9bffffffffffffffff", "9b7fffffffffffffff", "9b0000000100000000", "99ffff"}
	for _, sample := range samples {
		fields := fieldsOf(t, sample.Append(nil))
		for _, length := range lengths {
			bomb := unhex(t, length)
			for _, major := range []byte{majorBytes, majorText, majorArray, majorMap} {
				bomb[0] = bomb[0]&0x1f | major
				frames := [][]byte{
					append(bytes.Clone(bomb), sample.Append(nil)...),
					rawMap(append(fields, rawField{"x", bomb})),
					rawMap(append(fields, rawField{string(bomb), nil})),
				}
				for i := range fields {
					frames = append(frames, rawMap(replaced(fields, fields[i].key, bomb)))
				}
				for _, frame := range frames {
					var err error
					if n := allocated(func() { _, err = Decode(frame, Limits{}) }); n > 16<<10 {
						t.Errorf("%x: %d bytes allocated", frame, n)
					}
					if !errors.Is(err, ErrMalformed) {
						t.Errorf("%x: %v", frame, err)
					}
				}
			}
		}
	}
}

// TestItemBombs holds that frames of many tiny items are given up early.
func TestItemBombs(t *testing.T) {
	const size = 8 << 20
	for name, value := range map[string][]byte{
		"open array of empty arrays": append(append([]byte{0x9f}, bytes.Repeat([]byte{0x80}, size)...), cborBreak),
		"array of integers":          append(appendHead(nil, majorArray, size), make([]byte, size)...),
		"map of integers":            append(appendHead(nil, majorMap, size/2), make([]byte, size)...),
		"arrays below each other":    bytes.Repeat([]byte{0x9f, 0x9f, 0xff}, size/3),
	} {
		for _, field := range []string{"x", "add"} {
			frame := rawMap([]rawField{{"type", rawText(TypeRemoteSubscriptionChange)}, {"senderId", rawText("a")}, {field, value}})
			var err error
			n := allocated(func() { _, err = Decode(frame, Limits{}) })
			if !errors.Is(err, ErrMalformed) || n > 64<<10 {
				t.Errorf("%s: %v, %d bytes allocated", name, err, n)
			}
		}
	}
}
