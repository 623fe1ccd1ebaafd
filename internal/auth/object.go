package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

// object is a JSON object by member name. Names are exact: unlike the
// standard library's struct decoding, `SUB` isn't `sub`.
type object map[string]json.RawMessage

var (
	errNotObject    = errors.New("not a JSON object in UTF-8")
	errDuplicateKey = errors.New("a name occurs twice")
)

// parseObject reads exactly one JSON object. A name that occurs twice on the
// top level is refused, because parsers disagree about which one counts
// (RFC 7519 §4 allows refusing). Errors hold nothing of data. The values
// don't alias data.
func parseObject(data []byte) (object, error) {
	if !utf8.Valid(data) {
		return nil, errNotObject
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errNotObject
	}
	o := make(object, 8)
	for dec.More() {
		t, err := dec.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, errNotObject
		}
		if _, ok := o[name]; ok {
			return nil, errDuplicateKey
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, errNotObject
		}
		o[name] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, errNotObject
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errNotObject
	}
	return o, nil
}

// text returns a string member. ok is false if it is something else; an
// absent member is ok and empty.
func (o object) text(name string) (s string, ok bool) {
	raw, present := o[name]
	if !present {
		return "", true
	}
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// texts returns a member that is an array of strings; nil if it is absent.
func (o object) texts(name string) (list []string, ok bool) {
	raw, present := o[name]
	if !present {
		return nil, true
	}
	var values []any
	if len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &values) != nil {
		return nil, false
	}
	list = make([]string, 0, len(values))
	for _, v := range values {
		s, ok := v.(string)
		if !ok {
			return nil, false
		}
		list = append(list, s)
	}
	return list, true
}
