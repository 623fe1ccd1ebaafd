package documents

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"concord/crdt"
)

// maxTagHeads is how many heads an entity tag names; tags of more are a digest.
const maxTagHeads = 8

// digestPrefix begins the tag of many heads.
const digestPrefix = "sha256-"

// Tag returns the entity tag of a state, without quotes: its heads in hex,
// sorted and joined by dots; of more than eight the SHA-256 of that.
func Tag(heads []crdt.Hash) string {
	text := FormatHeads(heads)
	if len(heads) <= maxTagHeads {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return digestPrefix + hex.EncodeToString(sum[:])
}

// FormatHeads returns heads in hex, sorted and joined by dots.
func FormatHeads(heads []crdt.Hash) string {
	heads = slices.Clone(heads)
	crdt.SortHashes(heads)
	var b strings.Builder
	for i, h := range heads {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(h.String())
	}
	return b.String()
}

// ParseHeads reads what FormatHeads writes, in any order.
func ParseHeads(text string) ([]crdt.Hash, error) {
	const each = 2*len(crdt.Hash{}) + 1
	if len(text) > crdt.MaxHeads*each {
		return nil, refuse(ErrInput, "heads: more than %d", crdt.MaxHeads)
	}
	var heads []crdt.Hash
	for part := range strings.SplitSeq(text, ".") {
		h, err := crdt.ParseHash(part)
		if err != nil {
			return nil, refuse(ErrInput, "heads: %q is not 64 hex digits; heads are change hashes in hex, joined by dots, as in an ETag", clip(part))
		}
		heads = append(heads, h)
	}
	crdt.SortHashes(heads)
	return slices.Compact(heads), nil
}

// clip shortens what a caller sent for an error message.
func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
