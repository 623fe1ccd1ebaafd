package documents

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"

	"concord/crdt"
)

// decodeJSON reads one JSON value. Numbers keep their digits.
func decodeJSON(b []byte) (any, error) {
	if !utf8.Valid(b) {
		return nil, refuse(ErrInput, "the body isn't UTF-8, as JSON has to be") // the decoder would replace what it can't read
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, refuse(ErrInput, "the body is empty; it has to be JSON")
		}
		return nil, refuse(ErrInput, "the body is no JSON: %s", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, refuse(ErrInput, "the body has something after its JSON value")
	}
	return v, nil
}

// appendItem appends a value of a view as JSON.
func appendItem(b []byte, v crdt.View, item crdt.Item) []byte {
	if item.Kind == crdt.KindScalar {
		return item.Value.AppendJSON(b)
	}
	return v.AppendJSON(b, item.ID)
}
