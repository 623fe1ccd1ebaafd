package wire

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"concord/internal/id"
)

var sampleDocument = id.DocumentID{0x8d, 0x8c, 0x0b, 0xe1, 0xa7, 0x0d, 0x41, 0x45, 0xa7, 0xd3, 0x4d, 0x93, 0x16, 0xd4, 0x5c, 0x20}

// samples hold every message with every field set.
var samples = []Message{
	Join{"peer-a", PeerMetadata{"storage-a", true}, []string{"1", "2"}},
	Peer{"server", "peer-a", PeerMetadata{StorageID: "storage-s"}, "1"},
	Error{"server", "peer-a", "unsupported protocol version"},
	Sync{"peer-a", "server", sampleDocument, []byte{0x42, 0, 0, 1}},
	Request{"peer-a", "server", sampleDocument, []byte{0x42, 0, 0, 1}},
	DocUnavailable{"server", "peer-a", sampleDocument},
	Ephemeral{"peer-a", "server", sampleDocument, "session", 1 << 40, []byte{0xf6}},
	Leave{"peer-a"},
	RemoteSubscriptionChange{"peer-a", "server", []string{"s1", "s2"}, []string{}},
	RemoteHeadsChanged{"server", "peer-a", sampleDocument, []StorageHeads{
		{"s1", [][32]byte{{1}, {2}}, 1700000000000},
		{"s2", [][32]byte{}, 0},
	}},
	Token{"peer-a", "header.payload.signature"},
	TokenAnswer{"server", "peer-a", true, 1700000000000, "until then"},
}

func TestEncodeDecode(t *testing.T) {
	small := []Message{
		Join{SenderID: "a"}, Peer{SenderID: "s"}, Error{SenderID: "s"}, RemoteSubscriptionChange{SenderID: "a"},
		RemoteHeadsChanged{SenderID: "s", NewHeads: []StorageHeads{}}, Token{Token: "t"}, TokenAnswer{SenderID: "s"},
		Ephemeral{SenderID: "a", Data: []byte{0}}, Join{SenderID: "a", Versions: []string{}},
		Sync{SenderID: strings.Repeat("ü", 512), TargetID: strings.Repeat("x", 1024), Data: make([]byte, 70000)},
	}
	for _, want := range append(small, samples...) {
		frame := want.Append([]byte("kept"))
		if string(frame[:4]) != "kept" {
			t.Fatalf("%s: Append overwrote dst", want.Type())
		}
		got, err := Decode(frame[4:], Limits{})
		if err != nil {
			t.Errorf("%s: %v", want.Type(), err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", want.Type(), diff)
		}
		if got := plain(t, frame[4:])["type"]; got != want.Type() {
			t.Errorf("type is %v on the wire, %s in Go", got, want.Type())
		}
	}
}

func TestShared(t *testing.T) {
	for _, m := range samples {
		targeted, ok := m.(Targeted)
		if !ok {
			continue
		}
		shared := Share(targeted)
		for _, target := range []string{targeted.Target(), "", "another peer", strings.Repeat("p", 1024)} {
			frame := slices.Concat(shared.Split(target))
			if len(frame) != shared.Len(target) {
				t.Errorf("%s: Len is %d, the frame has %d bytes", m.Type(), shared.Len(target), len(frame))
			}
			got, err := Decode(frame, Limits{})
			if err != nil {
				t.Fatalf("%s: %v", m.Type(), err)
			}
			if got.(Targeted).Target() != target {
				t.Errorf("%s: target is %q, want %q", m.Type(), got.(Targeted).Target(), target)
			}
			if target == targeted.Target() && string(frame) != string(m.Append(nil)) {
				t.Errorf("%s: the shared frame differs from the message's own", m.Type())
			}
		}
	}
}

func TestDataAliasesFrame(t *testing.T) {
	frame := Sync{"a", "b", sampleDocument, []byte("data")}.Append(nil)
	m, err := Decode(frame, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	data := m.(Sync).Data
	if cap(data) != len(data) {
		t.Errorf("an append to Data would overwrite the frame: len %d, cap %d", len(data), cap(data))
	}
	clear(frame)
	if got := m.(Sync); string(got.Data) != "\x00\x00\x00\x00" || got.SenderID != "a" || got.TargetID != "b" {
		t.Errorf("after clearing the frame: %q %q %q, want only Data to change", got.Data, got.SenderID, got.TargetID)
	}
}

func TestEmptyDataPanics(t *testing.T) {
	for _, m := range []Message{Sync{SenderID: "a"}, Request{SenderID: "a"}, Ephemeral{SenderID: "a"}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s without data was encoded", m.Type())
				}
			}()
			m.Append(nil)
		}()
	}
}

func TestSpeaks(t *testing.T) {
	for _, test := range []struct {
		versions []string
		want     bool
	}{{nil, true}, {[]string{}, false}, {[]string{"1"}, true}, {[]string{"2", "1"}, true}, {[]string{"2"}, false}} {
		if got := (Join{Versions: test.versions}).Speaks("1"); got != test.want {
			t.Errorf("versions %v speak 1: %v, want %v", test.versions, got, test.want)
		}
	}
}
