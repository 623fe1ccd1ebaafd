package wire

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCloseReason(t *testing.T) {
	for _, reason := range []string{
		"", "short", strings.Repeat("a", 123), strings.Repeat("a", 124), strings.Repeat("ü", 100),
		strings.Repeat("😀", 40), "a" + strings.Repeat("😀", 40), "aa" + strings.Repeat("😀", 40), "aaa" + strings.Repeat("😀", 40),
		"\xff\xfe", strings.Repeat("\x80a", 200), strings.Repeat("a", 119) + "\xf0\x9f\x98",
	} {
		e := NewCloseError(CloseMalformed, reason)
		if len(e.Reason) > MaxCloseReason || !utf8.ValidString(e.Reason) {
			t.Errorf("%q became %q with %d bytes", reason, e.Reason, len(e.Reason))
		}
		if utf8.ValidString(reason) && len(reason) <= MaxCloseReason && e.Reason != reason {
			t.Errorf("%q became %q though it fits", reason, e.Reason)
		}
		if len(reason) > MaxCloseReason && (!strings.HasSuffix(e.Reason, "…") || len(e.Reason) < MaxCloseReason-3) {
			t.Errorf("%q became %q, want as much as fits and an ellipsis", reason, e.Reason)
		}
	}
}

func TestCloseFor(t *testing.T) {
	unknown := rawMap([]rawField{{"type", rawText("news")}, {"senderId", rawText("a")}})
	_, err := Decode(unknown, Limits{})
	if c := CloseFor(err); c != nil || CloseFor(nil) != nil {
		t.Errorf("an unknown type closes with %v", c)
	}
	_, err = Decode(rawMap([]rawField{{"type", rawText("sync")}, {"senderId", []byte{1}}}), Limits{})
	c := CloseFor(fmt.Errorf("read frame: %w", err))
	if c == nil || c.Code != CloseMalformed || !strings.Contains(c.Reason, "senderId") {
		t.Errorf("a wrong senderId closes with %v", c)
	}
}

func TestFinal(t *testing.T) {
	for code, want := range map[CloseCode]bool{
		CloseRestarting: false, CloseTryLater: false, CloseMalformed: true, CloseUnauthenticated: true, CloseForbidden: true,
		CloseHandshake: true, CloseReplaced: true, CloseTooLarge: true, CloseTooMany: true, 1006: false,
	} {
		if code.Final() != want {
			t.Errorf("%d is final: %v, want %v", code, code.Final(), want)
		}
	}
}

func TestTokenIsNeverShown(t *testing.T) {
	const canary = "canary-7f3a"
	m := Token{"peer", canary}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("message", "m", m, "pointer", &m)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("message", "m", m, "pointer", &m)
	for _, text := range []string{
		fmt.Sprint(m), fmt.Sprintf("%v %+v %#v %s %q %x", m, m, m, m, m, m), fmt.Sprintf("%+v", &m), fmt.Sprintf("%v", []Message{m}), log.String(),
	} {
		if strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
			t.Errorf("the token shows in %s", text)
		}
	}
	long := Token{"peer", canary + strings.Repeat("x", 9000)}
	if _, err := Decode(long.Append(nil), Limits{}); err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("a token too long gave %v", err)
	}
}
