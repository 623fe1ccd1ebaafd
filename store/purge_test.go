package store

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"
	"time"
)

func purge(t testing.TB, s *Store, d DocKey, p Purge) {
	t.Helper()
	if err := wait(t, func(done func(error)) error { return s.Purge(context.Background(), d, p, done) }); err != nil {
		t.Fatalf("purge: %v", err)
	}
}

func purgeAndWipe(t testing.TB, s *Store, d DocKey) {
	t.Helper()
	purge(t, s, d, Purge{By: "alice", At: testTime, Reason: "asked for"})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.AwaitWipe(ctx, d); err != nil {
		t.Fatalf("wait for the wipe: %v", err)
	}
}

// canary marks a change's bytes, so that they can be looked for in the file.
func canaryOf(seed byte) []byte {
	return bytes.Repeat([]byte{0xc5, seed, 0x5c, ^seed}, 4)
}

func TestPurge(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	d, other := doc("acme", 1), doc("acme", 2)
	a := appendOf(d, 0, 50)
	mustPut(t, s, a)
	mustPut(t, s, appendOf(other, 0, 50))
	purgeAndWipe(t, s, d)
	if _, _, err := s.Document(d); !errors.Is(err, ErrPurged) {
		t.Errorf("document: %v, want ErrPurged", err)
	}
	if err := put(t, s, appendOf(d, 0, 1)); !errors.Is(err, ErrPurged) {
		t.Errorf("append: %v, want ErrPurged", err)
	}
	file, err := os.ReadFile(dbPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range a.Changes {
		if bytes.Contains(file, c.Bytes[17:]) {
			t.Errorf("change %d is in the file", i)
		}
	}
	closeAndCheck(t, s, dir)
}
