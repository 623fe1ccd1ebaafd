package wire

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"

	"concord/internal/id"
)

// capturedFrame is a frame between automerge-repo 2.5.6 clients and server.
type capturedFrame struct {
	From    string         `json:"from"`
	Hex     string         `json:"hex"`
	Decoded map[string]any `json:"decoded"`
	bytes   []byte
}

func readJSON(t testing.TB, path string, into any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

func capturedFrames(t testing.TB) []capturedFrame {
	t.Helper()
	var file struct {
		Sections []struct{ Frames []capturedFrame }
	}
	readJSON(t, "testdata/frames.json", &file)
	var frames []capturedFrame
	for _, section := range file.Sections {
		for _, frame := range section.Frames {
			frame.bytes = unhex(t, frame.Hex)
			frames = append(frames, frame)
		}
	}
	if len(frames) < 30 {
		t.Fatalf("testdata/frames.json holds %d frames", len(frames))
	}
	return frames
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// withoutUndefined drops the fields whose vector value is {"cbor":"undefined"}.
func withoutUndefined(m map[string]any) map[string]any {
	kept := map[string]any{}
	for key, value := range m {
		if inner, ok := value.(map[string]any); ok {
			if inner["cbor"] == "undefined" {
				continue
			}
			value = withoutUndefined(inner)
		}
		kept[key] = value
	}
	return kept
}

// plain decodes a frame with another CBOR decoder, into the vectors' notation.
func plain(t testing.TB, frame []byte) map[string]any {
	t.Helper()
	mode, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden,
		IntDec: cbor.IntDecConvertSignedOrBigInt, ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
	}.DecMode()
	if err != nil {
		t.Fatal(err)
	}
	var value map[string]any
	if err := mode.Unmarshal(frame, &value); err != nil {
		t.Fatalf("%x: %v", frame, err)
	}
	return notation(t, value).(map[string]any)
}

func notation(t testing.TB, value any) any {
	t.Helper()
	switch value := value.(type) {
	case map[string]any:
		m := map[string]any{}
		for k, v := range value {
			m[k] = notation(t, v)
		}
		return m
	case map[any]any:
		m := map[string]any{}
		for k, v := range value {
			m[k.(string)] = notation(t, v)
		}
		return m
	case []any:
		list := make([]any, len(value))
		for i, v := range value {
			list[i] = notation(t, v)
		}
		return list
	case []byte:
		return map[string]any{"bytes": hex.EncodeToString(value)}
	case int64:
		return float64(value)
	}
	return value
}

func TestCapturedFrames(t *testing.T) {
	for _, frame := range capturedFrames(t) {
		m, err := Decode(frame.bytes, Limits{})
		if err != nil {
			t.Errorf("%s: %v", frame.Hex, err)
			continue
		}
		// Our encoding of the message, read by another decoder, shows every field.
		want := withoutUndefined(frame.Decoded)
		if diff := cmp.Diff(want, plain(t, m.Append(nil))); diff != "" {
			t.Errorf("%s decoded and encoded again (-want +got):\n%s", m.Type(), diff)
		}
		if m.Type() != frame.Decoded["type"] || m.Sender() != frame.Decoded["senderId"] {
			t.Errorf("type and sender are %s, %s in %v", m.Type(), m.Sender(), frame.Decoded)
		}
		if targeted, ok := m.(Targeted); ok && targeted.Target() != frame.Decoded["targetId"] {
			t.Errorf("target is %q in %v", targeted.Target(), frame.Decoded)
		}
	}
}

func TestCapturedFields(t *testing.T) {
	document, err := id.Parse("4BJowNRdyyaXTJ996u4XsgSVE6LZ")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]Message{}
	for _, frame := range capturedFrames(t) {
		m, err := Decode(frame.bytes, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		key := m.Type() + " from " + frame.From
		if _, ok := seen[key]; !ok {
			seen[key] = m
		}
	}
	server := PeerMetadata{StorageID: "7b3bbe21-e469-408e-943f-5d08901bd3e6"}
	for key, want := range map[string]Message{
		"join from client-a": Join{"client-a", PeerMetadata{Ephemeral: true}, []string{"1"}},
		"join from client-b": Join{"client-b", PeerMetadata{StorageID: "c82f36d7-43ba-4aa4-b61d-ac30bc356426"}, []string{"1"}},
		"peer from server":   Peer{"server-1", "client-a", server, "1"},
		"request from client-b": Request{
			"client-b", "server-1", document, unhex(t, "42000001000000020284"),
		},
		"ephemeral from server": Ephemeral{
			"client-a", "client-b", document, "ofc8v0d027m", 1,
			unhex(t, "b900036568656c6c6f6870726573656e6365616e01656279746573420102"),
		},
		"remote-subscription-change from client-b": RemoteSubscriptionChange{
			SenderID: "client-b", TargetID: "server-1", Add: []string{server.StorageID},
		},
	} {
		if diff := cmp.Diff(want, seen[key]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", key, diff)
		}
	}
}

// wellFormed applies the decoder's rules to one CBOR item of any type.
func wellFormed(b []byte) error {
	r := reader{b: b, depth: 16, items: 1000}
	end, err := r.skip(0)
	if err != nil {
		return notBreak(err)
	}
	if end != len(b) {
		return errTrailing
	}
	return nil
}

// TestCborX holds that we accept what cbor-x writes, and of the rest what cbor-x reads.
func TestCborX(t *testing.T) {
	var file struct {
		Encode []struct{ Value, Hex string }
		Decode []struct {
			Name, Hex string
			OK        bool
		}
	}
	readJSON(t, "testdata/cbor.json", &file)
	if len(file.Encode) == 0 || len(file.Decode) == 0 {
		t.Fatal("testdata/cbor.json holds no vectors")
	}
	for _, v := range file.Encode {
		if err := wellFormed(unhex(t, v.Hex)); err != nil {
			t.Errorf("%s: %v", v.Value, err)
		}
		n, isNumber := map[string]uint64{"1": 1, "4294967295": 1<<32 - 1, "4294967296": 1 << 32, "1700000000000": 1700000000000}[v.Value]
		if isNumber {
			if got := hex.EncodeToString(appendNumber(nil, n)); got != v.Hex {
				t.Errorf("number %d encodes as %s, cbor-x writes %s", n, got, v.Hex)
			}
		}
	}
	for _, v := range file.Decode {
		if err := wellFormed(unhex(t, v.Hex)); (err == nil) != v.OK {
			t.Errorf("%s: %v, cbor-x accepts: %v", v.Name, err, v.OK)
		}
	}
}
