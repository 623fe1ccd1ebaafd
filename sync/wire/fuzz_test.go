package wire

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"
)

// checkFrame holds what is true of every frame, however it came about.
func checkFrame(t *testing.T, strict cbor.DecMode, frame []byte) {
	t.Helper()
	before := bytes.Clone(frame)
	m, err := Decode(frame, Limits{})
	if !bytes.Equal(before, frame) {
		t.Fatalf("Decode changed the frame %x", before)
	}
	if (m == nil) != (err != nil) {
		t.Fatalf("%x: message %v beside error %v", frame, m, err)
	}
	// Another CBOR decoder agrees that everything but the malformed is one well-formed item.
	if err == nil || errors.Is(err, ErrUnknownType) {
		if err := strict.Wellformed(frame); err != nil {
			t.Fatalf("%x is accepted, but: %v", frame, err)
		}
	} else if !errors.Is(err, ErrMalformed) {
		t.Fatalf("%x: %v", frame, err)
	}
	if err != nil {
		return
	}
	// What our encoder makes of it means the same.
	again, err := Decode(m.Append(nil), Limits{})
	if err != nil {
		t.Fatalf("%x encoded again: %v", frame, err)
	}
	if diff := cmp.Diff(m, again); diff != "" {
		t.Fatalf("%x encoded again:\n%s", frame, diff)
	}
	plain(t, m.Append(nil))
}

func strictMode(t testing.TB) cbor.DecMode {
	t.Helper()
	mode, err := cbor.DecOptions{
		MaxNestedLevels: 32, MaxArrayElements: 1 << 20, MaxMapPairs: 1 << 20,
	}.DecMode()
	if err != nil {
		t.Fatal(err)
	}
	return mode
}

func seeds(t testing.TB) [][]byte {
	var frames [][]byte
	for _, frame := range capturedFrames(t) {
		frames = append(frames, frame.bytes)
	}
	for _, m := range samples {
		frames = append(frames, m.Append(nil))
	}
	return frames
}

// mutate returns a frame that differs from the given one in a few places.
func mutate(rng *rand.Rand, frames [][]byte) []byte {
	frame := bytes.Clone(frames[rng.IntN(len(frames))])
	for range 1 + rng.IntN(2) {
		if len(frame) == 0 {
			break
		}
		// Heads and keys are near the start; data is long and opaque.
		i := rng.IntN(len(frame))
		if rng.IntN(2) == 0 {
			i = rng.IntN(min(len(frame), 64))
		}
		switch rng.IntN(7) {
		case 0:
			frame[i] = byte(rng.Uint32())
		case 1:
			frame[i] ^= 1 << rng.IntN(8)
		case 2:
			frame = append(frame[:i], frame[min(len(frame), i+1+rng.IntN(8)):]...)
		case 3:
			frame = append(frame[:i:i], append([]byte{byte(rng.Uint32())}, frame[i:]...)...)
		case 4:
			heads := []byte{0x1b, 0x5b, 0x7b, 0x9b, 0xbb, 0xdb, 0xfb, 0x9f, 0xbf, 0xf6, 0xf7, 0xff, 0x5f, 0x7f, 0x9a, 0xba}
			frame[i] = heads[rng.IntN(len(heads))]
		case 5: // the rest of another frame
			other := frames[rng.IntN(len(frames))]
			frame = append(frame[:i:i], other[rng.IntN(len(other)):]...)
		case 6: // a run of its own bytes once more
			end := min(len(frame), i+1+rng.IntN(32))
			frame = append(frame[:end:end], frame[i:]...)
		}
	}
	return frame
}

func TestMutations(t *testing.T) {
	const seed, rounds = 20250601, 100_000
	rng := rand.New(rand.NewPCG(seed, 0))
	frames, strict := seeds(t), strictMode(t)
	accepted := 0
	mutated := make([][]byte, rounds)
	for i := range mutated {
		mutated[i] = mutate(rng, frames)
		checkFrame(t, strict, mutated[i])
	}
	size := 0
	n := allocated(func() {
		for _, frame := range mutated {
			size += len(frame)
			if _, err := Decode(frame, Limits{}); err == nil {
				accepted++
			}
		}
	})
	// Errors, texts and short lists: far less than the data, which isn't copied.
	if most := uint64(rounds * 128); n > most {
		t.Errorf("decoding %d bytes allocated %d, want at most %d", size, n, most)
	}
	if accepted < rounds/50 || accepted > rounds*9/10 {
		t.Errorf("%d of %d mutated frames were accepted: the mutations are too strong or too weak", accepted, rounds)
	}
	t.Logf("seed %d: %d of %d accepted, %d bytes allocated for %d bytes", seed, accepted, rounds, n, size)
}

func FuzzDecode(f *testing.F) {
	for _, frame := range seeds(f) {
		f.Add(frame)
	}
	strict := strictMode(f)
	f.Fuzz(func(t *testing.T, frame []byte) { checkFrame(t, strict, frame) })
}
