package documents

import (
	"strconv"
	"strings"

	"concord/crdt"
)

const (
	maxPointer      = 8 << 10 // bytes
	maxPointerDepth = crdt.MaxPathDepth
)

// pointer is a JSON Pointer (RFC 6901), taken apart.
type pointer []string

func parsePointer(text string) (pointer, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > maxPointer || strings.Count(text, "/") > maxPointerDepth {
		return nil, refuse(ErrInput, "path: at most %d bytes and %d steps", maxPointer, maxPointerDepth)
	}
	if text[0] != '/' {
		return nil, refuse(ErrInput, "path %q: a JSON Pointer is empty or begins with a slash, such as /lines/0/price", clip(text))
	}
	p := pointer(strings.Split(text[1:], "/"))
	for i, token := range p {
		if strings.ContainsFunc(token, isTilde) && !validEscapes(token) {
			return nil, refuse(ErrInput, "path %q: a ~ is written ~0, a slash in a name ~1", clip(text))
		}
		p[i] = unescape.Replace(token)
	}
	return p, nil
}

var (
	unescape = strings.NewReplacer("~1", "/", "~0", "~")
	escape   = strings.NewReplacer("~", "~0", "/", "~1")
)

func isTilde(r rune) bool { return r == '~' }

func validEscapes(token string) bool {
	for rest := token; ; {
		i := strings.IndexByte(rest, '~')
		if i < 0 {
			return true
		}
		if rest = rest[i+1:]; rest == "" || rest[0] != '0' && rest[0] != '1' {
			return false
		}
	}
}

// String returns the pointer as text.
func (p pointer) String() string {
	var b strings.Builder
	for _, token := range p {
		b.WriteByte('/')
		b.WriteString(escape.Replace(token))
	}
	return b.String()
}

// reader is what a view and a transaction have in common.
type reader interface {
	Field(obj crdt.OpID, key string) (crdt.Item, bool)
	Element(obj crdt.OpID, index int) (crdt.Element, bool)
	Len(obj crdt.OpID) int
}

// find returns what a pointer names: values alone, no characters of texts.
func (p pointer) find(r reader) (crdt.Item, error) {
	item := crdt.Item{Kind: crdt.KindMap} // the root
	for i, token := range p {
		next, ok := crdt.Item{}, false
		switch item.Kind {
		case crdt.KindMap:
			next, ok = r.Field(item.ID, token)
		case crdt.KindList:
			if index, is := parseIndex(token); is {
				var e crdt.Element
				e, ok = r.Element(item.ID, index)
				next = e.Item
			}
		}
		if !ok {
			return item, refuse(ErrNotFound, "there is nothing at path %q", clip(p[:i+1].String()))
		}
		item = next
	}
	return item, nil
}

// parseIndex reads an index as RFC 6901 writes it.
func parseIndex(token string) (int, bool) {
	n, err := strconv.ParseUint(token, 10, 31)
	return int(n), err == nil && (len(token) == 1 || token[0] != '0')
}
