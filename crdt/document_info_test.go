package crdt

import (
	"errors"
	"slices"
	"testing"
)

type changeInfo struct {
	row     int
	time    int64
	message string
}

func TestReadChangeInfo(t *testing.T) {
	messages := 0
	for name, b := range documentFiles(t) {
		chunk := documentChunk(t, b)
		var want, got []changeInfo
		if _, err := chunk.ParseDocument(Limits{}, func(c DocumentChange) error {
			want = append(want, changeInfo{c.Row, c.Time, string(c.Message)})
			if len(c.Message) > 0 {
				messages++
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := chunk.ReadChangeInfo(Limits{}, func(row int, time int64, message []byte) error {
			got = append(got, changeInfo{row, time, string(message)})
			return nil
		}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if messages == 0 {
		t.Error("no change has a message")
	}
}

func TestReadChangeInfoStops(t *testing.T) {
	good := goodDocument()
	chunk := good.chunk(t)
	stop := errors.New("enough")
	if err := chunk.ReadChangeInfo(Limits{}, func(int, int64, []byte) error { return stop }); err != stop {
		t.Errorf("error %v, want that of visit", err)
	}
	var refusal *RefusalError
	none := func(int, int64, []byte) error { return nil }
	if err := chunk.ReadChangeInfo(Limits{Rows: 1}, none); !errors.As(err, &refusal) || refusal.Reason != ReasonLimit {
		t.Errorf("past the limit: %v", err)
	}
	chunk.Checksum[0]++
	if err := chunk.ReadChangeInfo(Limits{}, none); !errors.As(err, &refusal) || refusal.Reason != ReasonChecksum {
		t.Errorf("damaged: %v", err)
	}
}

// BenchmarkReadChangeInfo reads times and messages of 10,000 changes.
func BenchmarkReadChangeInfo(b *testing.B) {
	chunk := documentChunk(b, documentFiles(b)["history-10k.automerge"])
	b.ReportAllocs()
	for b.Loop() {
		if err := chunk.ReadChangeInfo(Limits{}, func(int, int64, []byte) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
