package conflict

import (
	"strings"
	"unicode/utf8"

	"concord/crdt"
)

// maxItems is up to how many keys or elements an object may have for its content
// to be kept; of a larger one the kind is.
const maxItems = 200

// Show returns what a view shows of a value, as far as it is kept.
func Show(v crdt.View, item crdt.Item) Shown { return shown(v, item) }

// shownItem is what a view shows of a value.
func shownItem(v crdt.View, item crdt.Item) *Shown {
	s := shown(v, item)
	return &s
}

func shown(v crdt.View, item crdt.Item) Shown {
	s := Shown{Op: opText(item.ID)}
	b, whole := appendBounded(nil, v, item, 0)
	if whole {
		s.Value = b
		return s
	}
	s.Cut = clip(string(b), MaxValueJSON)
	return s
}

// clip shortens a text to n bytes, between characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// appendBounded appends an item as JSON and reports whether it is whole: it ends
// when there are more than MaxValueJSON bytes. Objects that are large or nested
// deeply are left out.
func appendBounded(b []byte, v crdt.View, item crdt.Item, depth int) (_ []byte, whole bool) {
	const maxDepth = 16
	switch {
	case item.Kind == crdt.KindScalar:
		return appendScalar(b, item.Value)
	case item.Kind == crdt.KindText:
		text, whole := boundedText(v, item.ID)
		b = crdt.StringValue(text).AppendJSON(b)
		if !whole {
			return b, false
		}
	case depth == maxDepth || v.Len(item.ID) > maxItems:
		return append(b, "…"...), false
	case item.Kind == crdt.KindList:
		b = append(b, '[')
		for e := range v.Elements(item.ID, 0) {
			if b[len(b)-1] != '[' {
				b = append(b, ',')
			}
			if b, whole = appendBounded(b, v, e.Item, depth+1); !whole {
				return b, false
			}
		}
		b = append(b, ']')
	default:
		b = append(b, '{')
		for key, field := range v.Fields(item.ID) {
			if b[len(b)-1] != '{' {
				b = append(b, ',')
			}
			b = append(crdt.StringValue(key).AppendJSON(b), ':')
			if b, whole = appendBounded(b, v, field, depth+1); !whole {
				return b, false
			}
		}
		b = append(b, '}')
	}
	return b, len(b) <= MaxValueJSON
}

// boundedText returns the beginning of a text, and whether that is all.
func boundedText(v crdt.View, obj crdt.OpID) (text string, whole bool) {
	var b strings.Builder
	for e := range v.Elements(obj, 0) {
		if b.Len() > MaxValueJSON {
			return b.String(), false
		}
		if e.Kind == crdt.KindScalar && e.Value.Code() == crdt.ValueString {
			b.Write(e.Value.Bytes())
		} else {
			b.WriteRune('\ufffc')
		}
	}
	return b.String(), true
}

func appendScalar(b []byte, v crdt.Value) (_ []byte, whole bool) {
	raw := v.Bytes()
	if len(raw) <= MaxValueJSON {
		b = v.AppendJSON(b)
		return b, len(b) <= MaxValueJSON
	}
	if v.Code() == crdt.ValueString {
		return crdt.StringValue(clip(string(raw[:min(len(raw), MaxValueJSON+utf8.UTFMax)]), MaxValueJSON)).AppendJSON(b), false
	}
	return crdt.BytesValue(raw[:MaxValueJSON]).AppendJSON(b), false
}
