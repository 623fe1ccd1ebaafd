package stock

import (
	"encoding/base64"
	"time"
)

// Edit is one step of a change. The functions below build them; js/edit.mjs says what each does.
type Edit map[string]any

// Path leads to a place in a document: map keys (string) and list indexes (int).
type Path []any

// P makes a path.
func P(steps ...any) Path { return steps }

func Set(path Path, value any) Edit { return Edit{"op": "set", "path": path, "value": value} }
func Delete(path Path) Edit         { return Edit{"op": "delete", "path": path} }

func Insert(path Path, index int, values ...any) Edit {
	return Edit{"op": "insert", "path": path, "index": index, "values": values}
}

func Remove(path Path, index, count int) Edit {
	return Edit{"op": "remove", "path": path, "index": index, "count": count}
}

func Splice(path Path, index, count int, text string) Edit {
	return Edit{"op": "splice", "path": path, "index": index, "count": count, "text": text}
}

func UpdateText(path Path, text string) Edit {
	return Edit{"op": "updateText", "path": path, "text": text}
}

func Mark(path Path, start, end int, name string, value any) Edit {
	return Edit{"op": "mark", "path": path, "start": start, "end": end, "name": name, "value": value}
}

func Unmark(path Path, start, end int, name string) Edit {
	return Edit{"op": "unmark", "path": path, "start": start, "end": end, "name": name}
}

func Increment(path Path, by int) Edit { return Edit{"op": "increment", "path": path, "by": by} }

// SetCount sets a value that differs in every repetition of ChangeMany: the number of the repetition.
func SetCount(path Path) Edit { return Edit{"op": "set", "path": path, "count": true} }

// Wrapped returns the edit with its positions taken modulo what the document holds at that place.
func (e Edit) Wrapped() Edit {
	e["wrap"] = true
	return e
}

// Tagged values: what JSON can't say. A plain string is a text object.

func Date(t time.Time) any      { return map[string]any{"$date": t.UnixMilli()} }
func Counter(n int) any         { return map[string]any{"$counter": n} }
func Bytes(b []byte) any        { return map[string]any{"$bytes": base64.StdEncoding.EncodeToString(b)} }
func ScalarString(s string) any { return map[string]any{"$string": s} }
