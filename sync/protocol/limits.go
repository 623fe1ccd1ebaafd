package protocol

import "fmt"

// Limits bounds what decoding a message may cost. A zero field means its
// default. The length of the message itself is for the transport to bound: no
// list is allocated that the rest of the message couldn't hold.
type Limits struct {
	Heads      int // heads of a message, and hashes of one lastSync; default 1,024
	Need       int // needed hashes; default 10,000
	Have       int // entries of have; default 16. Every known peer sends one or none
	BloomBytes int // total length of the Bloom filters; default 2 MiB, enough for 1.6 million changes
}

// Defaults of Limits.
const (
	DefaultHeads      = 1_024
	DefaultNeed       = 10_000
	DefaultHave       = 16
	DefaultBloomBytes = 2 << 20
)

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		field *int
		value int
	}{
		{&l.Heads, DefaultHeads}, {&l.Need, DefaultNeed}, {&l.Have, DefaultHave}, {&l.BloomBytes, DefaultBloomBytes},
	} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
	return l
}

// DecodeError says where and why a message, a filter or a saved state can't be
// read. It quotes lengths and counts, never content.
type DecodeError struct {
	Offset int    // bytes from the start of what was decoded
	Field  string // "heads", "need", …
	Detail string
}

// Error names offset, field and detail.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("decode sync message: %s at byte %d: %s", e.Field, e.Offset, e.Detail)
}
