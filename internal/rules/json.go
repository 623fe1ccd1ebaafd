package rules

import (
	"encoding/json"

	"go.yaml.in/yaml/v3"
)

// JSON returns a tree of YAML as JSON; false after a problem.
func (r *Reader) JSON(n *yaml.Node) ([]byte, bool) { return r.appendJSON(nil, n) }

func (r *Reader) appendJSON(b []byte, n *yaml.Node) ([]byte, bool) {
	if !r.plain(n) {
		return nil, false
	}
	ok := true
	switch n.Kind {
	case yaml.SequenceNode:
		b = append(b, '[')
		for i, item := range n.Content {
			if i > 0 {
				b = append(b, ',')
			}
			if b, ok = r.appendJSON(b, item); !ok {
				return nil, false
			}
		}
		return append(b, ']'), true
	case yaml.MappingNode:
		b = append(b, '{')
		used := map[string]bool{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode || used[key.Value] {
				r.Node(key, "a key is a text, and is there once")
				return nil, false
			}
			used[key.Value] = true
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendText(b, key.Value), ':')
			if b, ok = r.appendJSON(b, n.Content[i+1]); !ok {
				return nil, false
			}
		}
		return append(b, '}'), true
	}
	switch n.Tag {
	case "!!int", "!!float", "!!bool", "!!null":
		var v any
		err := n.Decode(&v)
		text, jsonErr := json.Marshal(v)
		if err != nil || jsonErr != nil {
			r.Node(n, "%s has no form in JSON", short(n.Value))
			return nil, false
		}
		return append(b, text...), true
	}
	return appendText(b, n.Value), true
}

func appendText(b []byte, s string) []byte {
	text, _ := json.Marshal(s) // no text fails
	return append(b, text...)
}
