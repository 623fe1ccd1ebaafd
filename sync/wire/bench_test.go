package wire

import (
	"fmt"
	"testing"
)

func BenchmarkDecode(b *testing.B) {
	seen := map[string]bool{}
	for _, frame := range capturedFrames(b) {
		kind := frame.Decoded["type"].(string)
		if seen[kind] {
			continue
		}
		seen[kind] = true
		b.Run("type="+kind, func(b *testing.B) {
			b.SetBytes(int64(len(frame.bytes)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode(frame.bytes, Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	buf := make([]byte, 0, 4096)
	for _, m := range samples {
		b.Run("type="+m.Type(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				buf = m.Append(buf[:0])
			}
		})
	}
}

func BenchmarkShared(b *testing.B) {
	for _, size := range []int{200, 64 << 10} {
		m := Sync{"server-1", "", sampleDocument, make([]byte, size)}
		shared := Share(m)
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				shared.Split("client-a")
			}
		})
	}
}

func TestAllocations(t *testing.T) {
	frame := Sync{"peer-a", "server-1", sampleDocument, make([]byte, 300)}.Append(nil)
	shared := Share(Sync{"server-1", "", sampleDocument, make([]byte, 300)})
	buf := make([]byte, 0, 1024)
	var tail []byte
	for _, test := range []struct {
		name string
		most float64
		f    func()
	}{
		{"decode a sync frame: two texts and the message", 3, func() {
			if _, err := Decode(frame, Limits{}); err != nil {
				t.Fatal(err)
			}
		}},
		{"encode a sync frame", 0, func() { buf = Sync{"peer-a", "server-1", sampleDocument, frame}.Append(buf[:0]) }},
		{"address a shared frame: its tail", 1, func() { _, tail = shared.Split("peer-a") }},
	} {
		if got := testing.AllocsPerRun(200, test.f); got > test.most {
			t.Errorf("%s: %v allocations, want at most %v", test.name, got, test.most)
		}
	}
	if len(tail) == 0 {
		t.Error("the shared frame has no tail")
	}
}
