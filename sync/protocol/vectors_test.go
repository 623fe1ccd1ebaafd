package protocol

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"concord/crdt"

	"github.com/google/go-cmp/cmp"
)

// unhex is bytes in hex.
type unhex []byte

func (u *unhex) UnmarshalJSON(b []byte) error {
	var s string
	err := json.Unmarshal(b, &s)
	if err == nil {
		*u, err = hex.DecodeString(s)
	}
	return err
}

type transcript struct {
	Producers []string
	Start     []struct {
		Heads []string
		Doc   unhex
	}
	Steps []step
	End   struct{ Heads [][]string }
}

type step struct {
	Peer    int
	Op      string
	Note    string
	Message *unhex
	Decoded *struct {
		Flags      *string
		ChunkTypes []int
	}
	Change       unhex
	Changes      []unhex
	Heads        []string
	EncodedState unhex
	State        *jsState
}

// jsState is automerge-js's view of a sync state; nil lists are absent or null.
type jsState struct {
	SharedHeads, LastSentHeads []string
	TheirHeads, TheirNeed      []string
	TheirHave                  []jsHave
	SentHashes                 []string
	InFlight, HaveResponded    bool
	ReadOnly, PeerReadOnly     bool
	TheirCapabilities          []string
}

type jsHave struct {
	LastSync []string
	Bloom    string
}

func readJSON(t testing.TB, v any, path ...string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{"testdata"}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

// documentChunks maps the SHA-256 of each document chunk that occurs in the
// transcripts to its changes. automerge-js 3.5.0 made the file.
func documentChunks(t testing.TB) func(chunk []byte) [][]byte {
	t.Helper()
	var all map[string][]unhex
	readJSON(t, &all, "documents.json")
	return func(chunk []byte) (changes [][]byte) {
		sum := sha256.Sum256(chunk)
		list, ok := all[hex.EncodeToString(sum[:])]
		if !ok {
			t.Fatalf("document chunk %x is not in testdata", sum)
		}
		for _, c := range list {
			changes = append(changes, c)
		}
		return changes
	}
}

func transcripts(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/sync/*.json")
	if err != nil || len(files) < 20 {
		t.Fatal(len(files), "transcripts", err)
	}
	return slices.DeleteFunc(files, func(f string) bool { return filepath.Base(f) == "bloom.json" })
}

// replayed is one peer of a transcript.
type replayed struct {
	*memory
	state   *State
	options Options
}

// Every peer of automerge-js 3.5.0 is replayed from what the other one sent:
// messages byte for byte, and the state after each step.
func TestTranscripts(t *testing.T) {
	load := documentChunks(t)
	for _, file := range transcripts(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			var tr transcript
			readJSON(t, &tr, "sync", filepath.Base(file))
			for peer, producer := range tr.Producers {
				if producer != "automerge-js 3.5.0" {
					continue
				}
				replay(t, &tr, peer, load)
			}
		})
	}
}

func replay(t *testing.T, tr *transcript, peer int, load func([]byte) [][]byte) {
	p := &replayed{memory: newMemory(), options: optionsOf(tr, peer)}
	p.load = load
	p.payload(t, [][]byte{tr.Start[peer].Doc})
	p.state = New(p.options)
	for n := range tr.Steps {
		s := &tr.Steps[n]
		if s.Op == "drop" || s.Peer != peer {
			continue
		}
		where := "step " + strconv.Itoa(n) + " " + s.Op
		p.step(t, where, s)
		if diff := cmp.Diff(s.Heads, hexes(p.graph.Heads())); s.Heads != nil && diff != "" {
			t.Fatalf("%s: heads (-want +got)\n%s", where, diff)
		}
		if s.State != nil {
			p.compare(t, where, s)
		}
	}
	if diff := cmp.Diff(tr.End.Heads[peer], hexes(p.graph.Heads())); diff != "" {
		t.Fatalf("final heads (-want +got)\n%s", diff)
	}
}

func optionsOf(tr *transcript, peer int) Options {
	o := Options{Advertise: AdvertiseV2}
	for _, s := range tr.Steps {
		if s.Peer == peer && s.Op == "generate" && s.Decoded != nil && s.Decoded.Flags == nil {
			o.Advertise = AdvertiseNone
		}
		if s.Peer == peer && s.State != nil && s.State.ReadOnly {
			o.ReadOnlyPeer = true
		}
	}
	return o
}

func (p *replayed) step(t *testing.T, where string, s *step) {
	switch s.Op {
	case "generate":
		p.generate(t, where, s)
	case "receive":
		m := p.receive(t, p.state, *s.Message)
		if got := m.Append(nil); !bytes.Equal(got, *s.Message) {
			t.Fatalf("%s: re-encoded\n%x\nwant\n%x", where, got, *s.Message)
		}
	case "change":
		p.add(t, s.Change)
	case "applyChanges":
		for _, c := range s.Changes {
			p.add(t, c)
		}
	case "lose-document":
		load := p.load
		p.memory = newMemory()
		p.load = load
	case "reconnect":
		p.reconnect(t, where, s)
	default:
		t.Fatalf("%s: unknown op", where)
	}
}

func (p *replayed) reconnect(t *testing.T, where string, s *step) {
	if s.EncodedState == nil {
		p.state = New(p.options)
		return
	}
	saved := p.state.Save()
	if !bytes.Equal(saved, s.EncodedState) {
		t.Fatalf("%s: saved %x, want %x", where, saved, s.EncodedState)
	}
	var err error
	if p.state, err = Load(saved, p.options); err != nil {
		t.Fatal(err)
	}
}

// generate compares whole messages. Where the transcript has a document chunk,
// its bytes are lent to the encoder, after checking what they hold.
func (p *replayed) generate(t *testing.T, where string, s *step) {
	p.whole = func() (Whole, error) {
		if s.Message == nil {
			t.Fatalf("%s: a document where nothing is expected", where)
		}
		m, err := Decode(*s.Message, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Decoded.ChunkTypes) == 0 || s.Decoded.ChunkTypes[0] != 0 {
			t.Fatalf("%s: a document where changes are expected", where)
		}
		held := newMemory()
		held.load = p.load
		held.payload(t, m.Changes)
		if diff := cmp.Diff(hexes(allHashes(held)), hexes(allHashes(p.memory))); diff != "" {
			t.Fatalf("%s: document (-want +got)\n%s", where, diff)
		}
		return Whole{slices.Concat(m.Changes...), p.graph.Len(), p.graph.Len()}, nil
	}
	out := mustGenerate(t, p.state, p.memory, nil)
	switch {
	case out == nil && s.Message == nil:
	case out == nil:
		t.Fatalf("%s: nothing to say, want %x", where, *s.Message)
	case s.Message == nil:
		t.Fatalf("%s: got %x, want none", where, out.Bytes)
	case !bytes.Equal(out.Bytes, *s.Message):
		t.Fatalf("%s: got\n%x\nwant\n%x", where, out.Bytes, *s.Message)
	}
}

func allHashes(d *memory) (hs []crdt.Hash) {
	for i := range d.graph.Len() {
		hs = append(hs, d.graph.HashAt(i))
	}
	for h := range d.orphans {
		hs = append(hs, h)
	}
	crdt.SortHashes(hs)
	return hs
}

// compare checks the state. automerge-js loses the reset capability when it
// converts a state between calls, so that is checked after receiving only; and
// it shows an empty theirHave after loading, which has no effect.
func (p *replayed) compare(t *testing.T, where string, s *step) {
	t.Helper()
	want := *s.State
	if want.TheirNeed == nil {
		want.TheirHave = nil
	}
	slices.Sort(want.SentHashes)
	wantReset := slices.Contains(want.TheirCapabilities, "sync-reset")
	wantV2 := slices.Contains(want.TheirCapabilities, "message-v2")
	want.TheirCapabilities = nil
	got := p.view()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s: state (-want +got)\n%s", where, diff)
	}
	if p.state.is(theirV2) != wantV2 || s.Op == "receive" && p.state.is(theirReset) != wantReset {
		t.Fatalf("%s: capabilities %b, want %v", where, p.state.status, s.State.TheirCapabilities)
	}
}

func (p *replayed) view() jsState {
	s := p.state
	v := jsState{
		SharedHeads: hexes(s.sharedHeads), LastSentHeads: hexes(s.lastSentHeads), SentHashes: []string{},
		InFlight: s.is(inFlight), HaveResponded: s.is(responded),
		ReadOnly: s.options.ReadOnlyPeer, PeerReadOnly: s.is(peerReadOnly),
	}
	for _, i := range s.sent.indexes() {
		v.SentHashes = append(v.SentHashes, p.graph.HashAt(i).String())
	}
	slices.Sort(v.SentHashes)
	if !s.is(received) {
		return v
	}
	v.TheirHeads, v.TheirNeed, v.TheirHave = hexes(s.theirHeads), hexes(s.theirNeed), []jsHave{}
	for _, h := range s.theirHave {
		v.TheirHave = append(v.TheirHave, jsHave{LastSync: hexes(h.LastSync), Bloom: hex.EncodeToString(h.Bloom.Bytes())})
	}
	return v
}

func hexes(hs []crdt.Hash) []string {
	out := []string{}
	for _, h := range hs {
		out = append(out, h.String())
	}
	return out
}
