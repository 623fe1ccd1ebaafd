package rules

import (
	"math"
	"strconv"

	"concord/crdt"
)

// AppendContent appends an item with all that readers see of it, types, and marks
// and blocks of texts, in a form of which nothing counts but that equal contents
// give equal bytes.
func AppendContent(b []byte, v crdt.View, item crdt.Item) []byte {
	if item.Kind == crdt.KindScalar {
		b = item.Value.AppendJSON(append(b, byte('a'+item.Value.Code())))
		if item.Value.Code() == crdt.ValueFloat64 {
			b = strconv.AppendUint(append(b, ' '), math.Float64bits(item.Value.Float64()), 16)
		}
		return b
	}
	b = v.AppendTypedJSON(b, item.ID)
	for s := range v.Walk(item.ID) {
		if s.Item.Kind == crdt.KindText {
			b = appendSpans(b, v, s.Item.ID)
		}
	}
	return b
}

func appendSpans(b []byte, v crdt.View, text crdt.OpID) []byte {
	for s := range v.Spans(text) {
		b = strconv.AppendInt(append(b, ' '), int64(s.Start), 10)
		if !s.Block.IsZero() {
			b = v.AppendTypedJSON(b, s.Block)
		}
		for _, m := range s.Marks {
			b = strconv.AppendQuote(b, m.Name)
			b = AppendContent(b, v, crdt.Item{Value: m.Value})
		}
	}
	return b
}
