package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// compareTyped says where two values in typed JSON differ first: a JSON pointer and both sides. It returns "" for
// equal ones.
func compareTyped(ours, theirs []byte) (string, error) {
	if bytes.Equal(ours, theirs) {
		return "", nil
	}
	var a, b any
	if err := json.Unmarshal(ours, &a); err != nil {
		return "", fmt.Errorf("crdt's value isn't JSON: %w", err)
	}
	if err := json.Unmarshal(theirs, &b); err != nil {
		return "", fmt.Errorf("automerge-go's value isn't JSON: %w", err)
	}
	return firstDifference("", a, b), nil
}

func firstDifference(path string, a, b any) string {
	switch x := a.(type) {
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			return differenceOfMaps(path, x, y)
		}
	case []any:
		if y, ok := b.([]any); ok {
			return differenceOfLists(path, x, y)
		}
	default:
		if a == b {
			return ""
		}
	}
	return difference(path, show(a), show(b))
}

func differenceOfMaps(path string, a, b map[string]any) string {
	if sameFloat(a, b) || a["unknown"] != nil && b["unknown"] != nil {
		return ""
	}
	keys := make([]string, 0, len(a))
	for key := range a {
		keys = append(keys, key)
	}
	for key := range b {
		if _, ok := a[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		at := path + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
		x, inA := a[key]
		y, inB := b[key]
		if !inA || !inB {
			return difference(at, showIf(x, inA), showIf(y, inB))
		}
		if d := firstDifference(at, x, y); d != "" {
			return d
		}
	}
	return ""
}

// sameFloat tells whether both are the same float64, however it is written.
func sameFloat(a, b map[string]any) bool {
	x, okA := a["f64"].(string)
	y, okB := b["f64"].(string)
	if !okA || !okB {
		return false
	}
	f, errF := strconv.ParseFloat(x, 64)
	g, errG := strconv.ParseFloat(y, 64)
	return errF == nil && errG == nil && (f == g || math.IsNaN(f) && math.IsNaN(g))
}

func differenceOfLists(path string, a, b []any) string {
	for i := range min(len(a), len(b)) {
		if d := firstDifference(path+"/"+strconv.Itoa(i), a[i], b[i]); d != "" {
			return d
		}
	}
	if len(a) != len(b) {
		return difference(path, fmt.Sprintf("%d elements", len(a)), fmt.Sprintf("%d elements", len(b)))
	}
	return ""
}

func difference(path, ours, theirs string) string {
	if path == "" {
		path = "the whole document"
	}
	return fmt.Sprintf("%s is %s for crdt, %s for automerge-go", path, ours, theirs)
}

func showIf(v any, present bool) string {
	if !present {
		return "nothing"
	}
	return show(v)
}

// show returns a value's type and size; document content stays out of reports.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case []any:
		return fmt.Sprintf("a list of %d", len(v))
	case map[string]any:
		if len(v) == 1 {
			for tag, text := range v {
				if s, ok := text.(string); ok {
					return fmt.Sprintf("%s of %d bytes", tag, len(s))
				}
			}
		}
		return fmt.Sprintf("a map of %d", len(v))
	case string:
		return fmt.Sprintf("other text of %d bytes", len(v))
	}
	return fmt.Sprint(v)
}
