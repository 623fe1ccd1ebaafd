//go:build concord_break_snapshot

package snapshot

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// A snapshot that lacks one operation is caught before it takes the place of the changes.
func TestDroppedOperation(t *testing.T) {
	var log bytes.Buffer
	b := newBench(t, Options{Policy: often, Log: slog.New(slog.NewTextHandler(&log, nil))})
	h := newHistory(1)
	h.grow(t, 30)
	b.append(key(1), h)
	b.pool.Want(key(1), false)
	b.idle()
	if st := b.pool.Stats(); st.Failed != 1 || st.Written != 0 {
		t.Errorf("stats: %+v", st)
	}
	b.expectDocument(key(1), h, 0)
	b.pool.Close()
	if text := log.String(); !strings.Contains(text, "isn't the stored one") || !strings.Contains(text, key(1).Document.String()) {
		t.Errorf("log: %s", text)
	}
}
