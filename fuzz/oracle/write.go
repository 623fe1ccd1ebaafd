package oracle

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Quote writes s as JavaScript's JSON.stringify does.
func Quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\b':
			b.WriteString(`\b`)
		case r == '\f':
			b.WriteString(`\f`)
		case r < ' ':
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// Float writes a float64 as dumps do: its bits, without those of a NaN.
func Float(f float64) string {
	if f != f {
		return "fNaN"
	}
	return "f" + strconv.FormatUint(math.Float64bits(f), 16)
}

// Timestamp writes a time in milliseconds as dumps do. JavaScript knows only
// 8.64e15 ms on either side of the epoch.
func Timestamp(ms int64) string {
	const most = 8_640_000_000_000_000
	if ms < -most || ms > most {
		return "tNaN"
	}
	return "t" + strconv.FormatInt(ms, 10)
}

// Bytes writes a byte string as dumps do.
func Bytes(b []byte) string { return "b" + hex.EncodeToString(b) }

// UTF16Len returns how many UTF-16 code units s has.
func UTF16Len(s string) int {
	n := utf8.RuneCountInString(s)
	for _, r := range s {
		if r > 0xFFFF {
			n++
		}
	}
	return n
}
