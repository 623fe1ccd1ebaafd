package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// engine is one implementation of Automerge that this process can call.
type engine interface {
	load(b []byte) (document, error)
	// start returns a document with an empty text or list at traceKey.
	start(list bool) (document, error)
}

// document is an open document of an engine. Heads are in hex.
type document interface {
	apply(chunk []byte) error       // one change, from its bytes
	applyAll(chunks [][]byte) error // changes in order, from their bytes, in one call if there is one
	save() ([]byte, error)
	heads() []string
	value() (any, error) // of the whole document, in maps, slices and scalars of Go
	valueAt(heads []string) (any, error)
	splice(e edit, list bool) error // what start made: one change
}

// digest is a SHA-256 of a value as JSON with sorted keys.
func digest(v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(plain(v)); err != nil {
		return "", err
	}
	sum := sha256.Sum256(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	return hex.EncodeToString(sum[:]), nil
}

// plain replaces times by their milliseconds.
func plain(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.UnixMilli()
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	}
	return v
}

// state names the document's heads in one text.
func state(d document) string {
	heads := d.heads()
	slices.Sort(heads)
	return strings.Join(heads, " ")
}
