package ledger

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"concord/crdt"
)

// Record is what the definition fixes of a conflict: everything that doesn't
// depend on the order in which changes arrived. Ops are written COUNTER@ACTOR,
// the root object _root.
type Record struct {
	ID     string   `json:"id"` // 32 hex digits
	Kind   string   `json:"kind"`
	Object string   `json:"object"`
	Key    string   `json:"key,omitempty"`  // of a place in a map
	Elem   string   `json:"elem,omitempty"` // of a place in a list, the op that inserted the element
	Field  string   `json:"field"`
	Root   []string `json:"root"`             // ascending
	Before string   `json:"before,omitempty"` // op; "" = nothing
	Winner string   `json:"winner,omitempty"` // op; "" = nothing
	Status string   `json:"status"`
	Closer string   `json:"closer,omitempty"` // an op, or the hash of the change that resolved it
	Values []Value  `json:"values"`           // ascending by op
}

// Value is one side of a conflict.
type Value struct {
	Op     string `json:"op"`
	Action string `json:"action"`
	// Value is what the op wrote, as crdt.View.AppendJSON shows scalars. Nil for
	// deletions and for objects, whose content may change.
	Value json.RawMessage `json:"value,omitempty"`
}

// Compare says what is different about two lists of records; "" = nothing.
func Compare(got, want []Record) string {
	var b strings.Builder
	index := func(list []Record, who string) map[string]Record {
		byID := map[string]Record{}
		for _, r := range list {
			if _, ok := byID[r.ID]; ok {
				fmt.Fprintf(&b, "%s twice: %s\n", who, r)
			}
			byID[r.ID] = r
		}
		return byID
	}
	have, need := index(got, "there"), index(want, "wanted")
	for _, w := range want {
		g, ok := have[w.ID]
		switch {
		case !ok:
			fmt.Fprintf(&b, "missing: %s\n", w)
		case g.String() != w.String():
			fmt.Fprintf(&b, "there:  %s\nwanted: %s\n", g, w)
		}
	}
	for _, g := range got {
		if _, ok := need[g.ID]; !ok {
			fmt.Fprintf(&b, "not wanted: %s\n", g)
		}
	}
	return b.String()
}

// String writes the record as one line of JSON.
func (r Record) String() string {
	r.Root, r.Values = slices.Clone(r.Root), slices.Clone(r.Values)
	if r.Root == nil {
		r.Root = []string{}
	}
	for i, v := range r.Values {
		r.Values[i].Value = plain(v.Value)
	}
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Sprintf("%s: %v", r.ID, err)
	}
	return string(line)
}

// plain brings a JSON value into the form in which Go writes strings. Digits stay.
func plain(raw json.RawMessage) json.RawMessage {
	var text string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &text) != nil {
		return raw
	}
	again, err := json.Marshal(text)
	if err != nil {
		return raw
	}
	return again
}

// OpText writes an op's id, or an object's.
func OpText(id crdt.OpID) string {
	if id.IsZero() {
		return "_root"
	}
	return id.String()
}
