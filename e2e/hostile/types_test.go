package hostile

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/fxamacker/cbor/v2"

	"concord/internal/id"
	"concord/sync/wire"
)

// wrongValues are CBOR items of every major type, and of the kinds that decoders confuse.
var wrongValues = []struct {
	name, kind string
	raw        []byte
}{
	{"0", "number", []byte{0x00}}, {"2^64-1", "huge", []byte{0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
	{"-1", "negative", []byte{0x20}}, {"-2^64", "negative", []byte{0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
	{"1.5", "fraction", []byte{0xf9, 0x3e, 0x00}}, {"NaN", "fraction", []byte{0xf9, 0x7e, 0x00}},
	{"infinity", "fraction", []byte{0xfb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0}},
	{"false", "bool", []byte{0xf4}}, {"true", "bool", []byte{0xf5}}, {"null", "null", []byte{0xf6}}, {"undefined", "undefined", []byte{0xf7}},
	{"simple(255)", "simple", []byte{0xf8, 0xff}}, {"break", "break", []byte{0xff}},
	{"empty text", "text", []byte{0x60}}, {"text", "text", []byte{0x61, 'x'}}, {"invalid UTF-8", "broken", []byte{0x61, 0xff}},
	{"endless text", "broken", []byte{0x7f, 0x61, 'x', 0xff}}, {"text of 2^63 bytes", "broken", []byte{0x7b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
	{"empty bytes", "bytes", []byte{0x40}}, {"bytes", "bytes", []byte{0x41, 0xff}}, {"endless bytes", "broken", []byte{0x5f, 0x41, 'x', 0xff}},
	{"empty array", "array", []byte{0x80}}, {"array", "array", []byte{0x81, 0x00}}, {"array of 2^32 items", "broken", []byte{0x9b, 0, 0, 0, 1, 0, 0, 0, 0}},
	{"nested arrays", "deep", slices.Concat(repeat(0x81, 64), []byte{0x00})},
	{"empty map", "map", []byte{0xa0}}, {"map", "map", []byte{0xa1, 0x61, 'x', 0x00}}, {"map with a number as key", "numbered", []byte{0xa1, 0x00, 0x00}},
	{"map of 2^32 entries", "broken", []byte{0xbb, 0, 0, 0, 1, 0, 0, 0, 0}},
	{"tag 1 (date)", "tag", []byte{0xc1, 0x00}}, {"tag 64 text", "tag", []byte{0xd8, 0x40, 0x61, 'x'}}, {"nested tags", "deep", slices.Concat(repeat(0xc1, 64), []byte{0x00})},
	{"reserved 0x1c", "broken", []byte{0x1c}},
}

func repeat(b byte, n int) []byte { return slices.Repeat([]byte{b}, n) }

// optionalFields may be absent, and so may be undefined or null. Entries of newHeads may be undefined.
var optionalFields = []string{"targetId", "peerMetadata", "peerMetadata.storageId", "peerMetadata.isEphemeral", "supportedProtocolVersions", "add", "remove"}

// wrongTypes puts a value of every kind into every field of every message.
func (h *harness) wrongTypes() {
	h.Helper()
	r := h.rng(2)
	doc, data, hash := randomDocument(r).String(), syncMessage(nil), id.EncodeHash(randomHash(r))
	messages := []map[string]any{
		{"type": wire.TypeJoin, "peerMetadata": map[string]any{"storageId": "s", "isEphemeral": true}, "supportedProtocolVersions": []any{"1"}},
		{"type": wire.TypeSync, "targetId": "s", "documentId": doc, "data": data},
		{"type": wire.TypeRequest, "targetId": "s", "documentId": doc, "data": data},
		{"type": wire.TypeEphemeral, "targetId": "s", "documentId": doc, "data": []byte{1}, "count": 1, "sessionId": "x"},
		{"type": wire.TypeLeave},
		{"type": wire.TypeDocUnavailable, "targetId": "s", "documentId": doc},
		{"type": wire.TypeRemoteSubscriptionChange, "targetId": "s", "add": []any{"a"}, "remove": []any{"b"}},
		{"type": wire.TypeRemoteHeadsChanged, "targetId": "s", "documentId": doc,
			"newHeads": map[string]any{"a": map[string]any{"heads": []any{hash}, "timestamp": 1}}},
		{"type": wire.TypeToken, "token": "t"},
	}
	var owned sync.WaitGroup
	n := 0
	for _, m := range messages {
		for _, path := range paths(withSender(m, "p"), nil) {
			for _, v := range wrongValues {
				n++
				own := n
				owned.Go(func() { h.wrongType(m, path, own, v.name, v.kind, v.raw) })
				if n%16 == 0 {
					owned.Wait()
				}
			}
		}
	}
	owned.Wait()
	h.Logf("%d frames with a value of another type", n)
}

func (h *harness) wrongType(m map[string]any, path []string, n int, value, kind string, raw []byte) {
	peerID := fmt.Sprint("typed-", n)
	fields := withSender(m, peerID)
	field := strings.Join(path, ".")
	frame, err := cbor.Marshal(replace(fields, path, cbor.RawMessage(raw)))
	if err != nil {
		// The encoder refuses to embed items that aren't well-formed; put them in behind its back.
		frame = splice(fields, path, raw)
	}
	name := fmt.Sprintf("%v with %s in %s", m["type"], value, field)
	codes := []int{int(wire.CloseMalformed)}
	own := lookup(fields, path)
	absent := (kind == "null" || kind == "undefined") &&
		(slices.Contains(optionalFields, field) || kind == "undefined" && strings.HasPrefix(field, "newHeads.") || m["type"] == wire.TypeToken && field == "senderId")
	// A value of the field's own type may be fine; an array's or a map's entries are then nobody's.
	if kind == kindOf(own) || absent {
		codes = append(codes, 0)
	}
	c, err := dialRaw(h.node.Address, h.token(n))
	if err != nil {
		h.Errorf("%s: %v", name, err)
		return
	}
	defer c.Close()
	var sent []byte
	if m["type"] != wire.TypeJoin {
		sent = binaryFrame(h.join(peerID))
	}
	e, err := c.provoke(append(sent, binaryFrame(frame)...))
	switch {
	case err != nil:
		h.Errorf("%s: the connection ended without a close frame: %v", name, err)
	case !slices.Contains(codes, e.code):
		h.Errorf("%s: ended with %d %q, want %v", name, e.code, e.reason, codes)
	case e.code != 0 && e.reason == "":
		h.Errorf("%s: closed without a reason", name)
	}
	h.note("CBOR value of another type", e)
}

func withSender(m map[string]any, peerID string) map[string]any {
	m = maps.Clone(m)
	m["senderId"] = peerID
	return m
}

// paths returns the ways to all values in v, the insides of maps and arrays included.
func paths(v any, at []string) [][]string {
	var out [][]string
	if len(at) > 0 {
		out = append(out, slices.Clone(at))
	}
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			out = append(out, paths(v[k], append(at, k))...)
		}
	case []any:
		for i, x := range v {
			out = append(out, paths(x, append(at, strconv.Itoa(i)))...)
		}
	}
	return out
}

func lookup(v any, path []string) any {
	for _, p := range path {
		switch x := v.(type) {
		case map[string]any:
			v = x[p]
		case []any:
			i, _ := strconv.Atoi(p)
			v = x[i]
		}
	}
	return v
}

// replace returns a copy of v with another value at path.
func replace(v any, path []string, with any) any {
	if len(path) == 0 {
		return with
	}
	switch x := v.(type) {
	case map[string]any:
		x = maps.Clone(x)
		x[path[0]] = replace(x[path[0]], path[1:], with)
		return x
	case []any:
		x = slices.Clone(x)
		i, _ := strconv.Atoi(path[0])
		x[i] = replace(x[i], path[1:], with)
		return x
	}
	panic("no such path")
}

// splice encodes v with raw bytes at path, whatever they are.
func splice(v any, path []string, raw []byte) []byte {
	const mark = "here goes the broken item"
	b, err := cbor.Marshal(replace(v, path, mark))
	if err != nil {
		panic(err)
	}
	marked, err := cbor.Marshal(mark)
	if err != nil {
		panic(err)
	}
	before, after, _ := strings.Cut(string(b), string(marked))
	return slices.Concat([]byte(before), raw, []byte(after))
}

func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "text"
	case []byte:
		return "bytes"
	case int:
		return "number"
	case bool:
		return "bool"
	case []any:
		return "array"
	}
	return "map"
}
