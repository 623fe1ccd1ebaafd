package derive

import (
	"encoding/json"
	"slices"
	"unicode/utf8"

	"concord/crdt"
	"concord/events"
	"concord/internal/id"
)

const (
	// maxValue is how much of a document goes into one field of an event, as JSON in bytes.
	maxValue = 16 << 10
	// maxValues of all fields of an event together; the rest is for what the server fills in.
	maxAllValues = 56 << 10
	// maxUsers is how many users a list can name.
	maxUsers = 100
	// maxUser is the limit in bytes for the name of a user.
	maxUser = 256
)

// about is what an event says besides what is in the document.
type about struct {
	document       id.DocumentID
	kind, ref, who string
}

// fills tells which of these fields go into data: those that the type's schema
// doesn't rule out.
type fills struct{ document, ref, kind, user bool }

func fillsOf(t events.Type) fills {
	var schema struct {
		Properties           map[string]json.RawMessage
		AdditionalProperties json.RawMessage
	}
	if json.Unmarshal(t.Schema, &schema) != nil || string(schema.AdditionalProperties) != "false" {
		return fills{true, true, true, true}
	}
	has := func(key string) bool { _, ok := schema.Properties[key]; return ok }
	return fills{has("document"), has("ref"), has("type"), has("user")}
}

// appendData appends the data of an event: what the server knows, and what is in
// the fields. A field whose place isn't there is left out, and one that is too
// large, or doesn't fit with those before it. room is how many bytes they may take;
// what they take is counted off.
func appendData(b []byte, f fills, a about, fields []Datum, v crdt.View, room *int) []byte {
	b = append(b, '{')
	add := func(ok bool, name, value string) {
		if ok && value != "" {
			b = appendText(append(appendText(comma(b), name), ':'), value)
		}
	}
	add(f.document, "document", a.document.String())
	add(f.ref, "ref", a.ref)
	add(f.kind, "type", a.kind)
	add(f.user, "user", a.who)
	left := min(maxAllValues, *room)
	for _, d := range fields {
		item, err := v.Lookup(d.Path)
		if err != nil || !fits(v, item, min(maxValue, left)) {
			continue
		}
		at := len(b)
		b = append(appendText(comma(b), d.Name), ':')
		from := len(b)
		b = appendItem(b, v, item)
		if size := len(b) - from; size > min(maxValue, left) {
			b = b[:at]
		} else {
			left -= size
			*room -= size
		}
	}
	return append(b, '}')
}

func comma(b []byte) []byte {
	if b[len(b)-1] != '{' {
		return append(b, ',')
	}
	return b
}

func appendText(b []byte, s string) []byte {
	text, _ := json.Marshal(s) // no text fails
	return append(b, text...)
}

func appendItem(b []byte, v crdt.View, item crdt.Item) []byte {
	if item.Kind == crdt.KindScalar {
		return item.Value.AppendJSON(b)
	}
	return v.AppendJSON(b, item.ID)
}

// fits reports whether the JSON of an item has hardly more than n bytes, without
// making it.
func fits(v crdt.View, item crdt.Item, n int) bool {
	count := func(item crdt.Item) {
		switch item.Kind {
		case crdt.KindText:
			n -= v.Len(item.ID)
		case crdt.KindScalar:
			n -= len(item.Value.Bytes())
		}
		n -= 2
	}
	if item.Kind == crdt.KindScalar || item.Kind == crdt.KindText {
		count(item)
		return n >= -2
	}
	for s := range v.Walk(item.ID) {
		if count(s.Item); n < 0 {
			return false
		}
	}
	return true
}

// usersAt returns the users whom a place names: a text, or a list of texts.
func usersAt(v crdt.View, path string) (users []string) {
	item, err := v.Lookup(path)
	if err != nil {
		return nil
	}
	add := func(item crdt.Item) {
		name := ""
		switch {
		case item.Kind == crdt.KindText && v.Len(item.ID) <= maxUser:
			name = v.Text(item.ID)
		case item.Kind == crdt.KindScalar && item.Value.Code() == crdt.ValueString:
			name = item.Value.Text()
		}
		if name != "" && len(name) <= maxUser && utf8.ValidString(name) && !slices.Contains(users, name) {
			users = append(users, name)
		}
	}
	if item.Kind != crdt.KindList {
		add(item)
		return users
	}
	looked := 0
	for e := range v.Elements(item.ID, 0) {
		if looked++; looked > maxUsers {
			break
		}
		add(e.Item)
	}
	return users
}
