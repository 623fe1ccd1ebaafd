package documents

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"concord/crdt"
)

// holding returns a document with some JSON in it.
func holding(tb testing.TB, content string) *crdt.Doc {
	tb.Helper()
	doc := crdt.New()
	doc.SetActor("actor")
	want, err := decodeJSON([]byte(content))
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := doc.Edit(crdt.EditOptions{}, func(tx *crdt.Tx) error { return tx.Update("", want) }); err != nil {
		tb.Fatal(err)
	}
	return doc
}

// patched returns what a patch makes of JSON.
func patched(tb testing.TB, content string, p Patch) (string, error) {
	tb.Helper()
	write, err := p.parse()
	if err != nil {
		return "", err
	}
	doc := holding(tb, content)
	if _, err := doc.Edit(crdt.EditOptions{}, write); err != nil {
		return "", err
	}
	return string(doc.View().AppendJSON(nil, crdt.Root)), nil
}

// compact returns JSON in the form of View.AppendJSON.
func compact(tb testing.TB, text string) string {
	tb.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		tb.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

// The cases of RFC 7386, appendix A. Targets stand in a document, which is
// always an object.
func TestMergePatchVectors(t *testing.T) {
	for _, c := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	} {
		doc := holding(t, `{"doc":`+c[0]+`}`)
		patch, err := decodeJSON([]byte(c[1]))
		if err != nil {
			t.Fatal(err)
		}
		_, err = doc.Edit(crdt.EditOptions{}, func(tx *crdt.Tx) error {
			left := maxWork
			return merge(tx, pointer{"doc"}, patch, &left)
		})
		if err != nil {
			t.Errorf("%s with %s: %v", c[0], c[1], err)
			continue
		}
		if got, want := string(doc.View().AppendJSON(nil, crdt.Root)), compact(t, `{"doc":`+c[2]+`}`); got != want {
			t.Errorf("%s with %s: %s, want %s", c[0], c[1], got, want)
		}
	}
	if _, err := patched(t, `{}`, Patch{Body: []byte(`[1]`)}); !errors.Is(err, ErrInput) {
		t.Errorf("a document became a list: %v", err)
	}
}

// The cases of RFC 6902, appendix A, and further ones. An empty result is an error.
func TestJSONPatchVectors(t *testing.T) {
	for _, c := range [][3]string{
		{`{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux"}]`, `{"baz":"qux","foo":"bar"}`},
		{`{"foo":["bar","baz"]}`, `[{"op":"add","path":"/foo/1","value":"qux"}]`, `{"foo":["bar","qux","baz"]}`},
		{`{"baz":"qux","foo":"bar"}`, `[{"op":"remove","path":"/baz"}]`, `{"foo":"bar"}`},
		{`{"foo":["bar","qux","baz"]}`, `[{"op":"remove","path":"/foo/1"}]`, `{"foo":["bar","baz"]}`},
		{`{"baz":"qux","foo":"bar"}`, `[{"op":"replace","path":"/baz","value":"boo"}]`, `{"baz":"boo","foo":"bar"}`},
		{`{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}`, `[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]`,
			`{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}`},
		{`{"foo":["all","grass","cows","eat"]}`, `[{"op":"move","from":"/foo/1","path":"/foo/3"}]`, `{"foo":["all","cows","eat","grass"]}`},
		{`{"baz":"qux","foo":["a",2,"c"]}`, `[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]`, `{"baz":"qux","foo":["a",2,"c"]}`},
		{`{"baz":"qux"}`, `[{"op":"test","path":"/baz","value":"bar"}]`, ``},
		{`{"foo":"bar"}`, `[{"op":"add","path":"/child","value":{"grandchild":{}}}]`, `{"foo":"bar","child":{"grandchild":{}}}`},
		{`{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux","xyz":123}]`, `{"foo":"bar","baz":"qux"}`},
		{`{"foo":"bar"}`, `[{"op":"add","path":"/baz/bat","value":"qux"}]`, ``},
		{`{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":10}]`, `{"/":9,"~1":10}`},
		{`{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":"10"}]`, ``},
		{`{"foo":["bar"]}`, `[{"op":"add","path":"/foo/-","value":["abc","def"]}]`, `{"foo":["bar",["abc","def"]]}`},

		{`{"a":1}`, `[{"op":"replace","path":"","value":{"b":2}}]`, `{"b":2}`},
		{`{"a":1}`, `[{"op":"replace","path":"","value":[]}]`, ``},
		{`{"a":1}`, `[{"op":"remove","path":""}]`, `{}`},
		{`{"a":1}`, `[{"op":"test","path":"","value":{"a":1.0}}]`, `{"a":1}`},
		{`{"a":{"b":1}}`, `[{"op":"copy","from":"/a","path":"/a/c"}]`, `{"a":{"b":1,"c":{"b":1}}}`},
		{`{"a":{"b":1}}`, `[{"op":"move","from":"/a","path":"/a/c"}]`, ``},
		{`{"a":{"b":1}}`, `[{"op":"move","from":"/a","path":"/a"}]`, `{"a":{"b":1}}`},
		{`{"a":"text"}`, `[{"op":"replace","path":"/a/0","value":"T"}]`, ``},
		{`{"a":"text"}`, `[{"op":"test","path":"/a/0","value":"t"}]`, ``},
		{`{"a":[1,2]}`, `[{"op":"add","path":"/a/3","value":1}]`, ``},
		{`{"a":[1,2]}`, `[{"op":"add","path":"/a/01","value":1}]`, ``},
		{`{"a":[1,2]}`, `[{"op":"remove","path":"/a/-"}]`, ``},
		{`{"a":[1,2]}`, `[{"op":"replace","path":"/a/2","value":1}]`, ``},
		{`{"a":1}`, `[{"op":"remove","path":"/b"}]`, ``},
		{`{"a":null}`, `[{"op":"test","path":"/a","value":null}]`, `{"a":null}`},
		{`{"a":null}`, `[{"op":"replace","path":"/a","value":null}]`, `{"a":null}`},
		{`{"a":1}`, `[{"op":"add","path":"/b"}]`, ``},
		{`{"a":1}`, `[{"op":"copy","path":"/b"}]`, ``},
		{`{"a":1}`, `[{"op":"spam","path":"/b"}]`, ``},
		{`{"a":1}`, `[{"op":"add","path":"b","value":1}]`, ``},
		{`{"a":1}`, `[{"op":"add","path":"/~2","value":1}]`, ``},
		{`{"a":1}`, `{"op":"add","path":"/b","value":1}`, ``},
		{`{"a":1}`, `[{"op":"add","path":"/b","value":2},{"op":"test","path":"/a","value":2}]`, ``},
		{`{"":1,"a":{"":2}}`, `[{"op":"test","path":"/a/","value":2},{"op":"remove","path":"/"}]`, `{"a":{"":2}}`},
	} {
		got, err := patched(t, c[0], Patch{Kind: JSONPatch, Body: []byte(c[1])})
		if c[2] == "" {
			var own *Error
			if !errors.As(err, &own) && !errors.As(inputError(err), &own) {
				t.Errorf("%s with %s: %s, %v; want a refusal", c[0], c[1], got, err)
			}
			continue
		}
		if want := compact(t, c[2]); err != nil || got != want {
			t.Errorf("%s with %s: %s, %v; want %s", c[0], c[1], got, err, want)
		}
	}
}

// Short texts are replaced, so that two who set one at once are a conflict; long
// ones are edited.
func TestPatchesReplaceShortTexts(t *testing.T) {
	long, lines := strings.Repeat("x", crdt.ShortText+1), "two\nlines"
	for _, c := range []struct {
		old, want string
		replaced  bool
	}{
		{"draft", "paid", true},
		{"draft", "draft", false},
		{"", "a", true},
		{"a", "", true},
		{long, "short", true},
		{"short", long, true},
		{lines, "one", true},
		{strings.Repeat("ü", crdt.ShortText), strings.Repeat("😀", crdt.ShortText), true},
		{long, long + "!", false},
		{lines, lines + "!", false},
		{lines, long, false},
	} {
		for form, p := range map[string]Patch{
			"merge":   {Body: []byte(marshal(map[string]any{"s": c.want}))},
			"replace": {Kind: JSONPatch, Body: []byte(marshal([]any{map[string]any{"op": "replace", "path": "/s", "value": c.want}}))},
			"within":  {Kind: JSONPatch, Body: []byte(marshal([]any{map[string]any{"op": "add", "path": "", "value": map[string]any{"s": c.want}}}))},
		} {
			doc := holding(t, marshal(map[string]any{"s": c.old}))
			before, _ := doc.View().Get("s")
			write, err := p.parse()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := doc.Edit(crdt.EditOptions{}, write); err != nil {
				t.Fatal(err)
			}
			after, _ := doc.View().Get("s")
			if got := doc.View().Text(after.ID); after.Kind != crdt.KindText || got != c.want {
				t.Errorf("%s of %q: %s %q, want text %q", form, c.old, after.Kind, got, c.want)
			}
			if replaced := after.ID != before.ID; replaced != c.replaced {
				t.Errorf("%s of %q by %q: replaced %t, want %t", form, c.old, c.want, replaced, c.replaced)
			}
		}
	}
}

// A move takes what JSON can't say along.
func TestMoveKeepsTypes(t *testing.T) {
	doc := holding(t, `{"old":{}}`)
	_, err := doc.Edit(crdt.EditOptions{}, func(tx *crdt.Tx) error {
		old, _ := tx.Field(crdt.Root, "old")
		for key, v := range map[string]any{
			"time": crdt.TimestampValue(1), "bytes": []byte{1, 2}, "counter": crdt.Counter(3), "scalar": crdt.StringValue("s"),
			"text": crdt.Text("t"), "float": crdt.Float64Value(2), "list": []any{crdt.Counter(1), nil, true},
		} {
			if _, err := tx.Set(old.ID, key, v); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	old, _ := doc.View().Get("old")
	want := string(doc.View().AppendTypedJSON(nil, old.ID))
	ops, err := parseOperations([]byte(`[{"op":"move","from":"/old","path":"/new"}]`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := doc.Edit(crdt.EditOptions{}, func(tx *crdt.Tx) error { return applyOperations(tx, ops) }); err != nil {
		t.Fatal(err)
	}
	moved, _ := doc.View().Get("new")
	if got := string(doc.View().AppendTypedJSON(nil, moved.ID)); got != want {
		t.Errorf("%s became %s", want, got)
	}
	if _, ok := doc.View().Get("old"); ok {
		t.Error("the value is still where it was")
	}
}

// A small patch must not make much of itself.
func TestPatchesThatGrowAreRefused(t *testing.T) {
	var ops []string
	for i := range 60 {
		ops = append(ops, fmt.Sprintf(`{"op":"copy","from":"/a","path":"/a/k%d"}`, i))
	}
	_, err := patched(t, `{"a":{"s":"x"}}`, Patch{Kind: JSONPatch, ScalarStrings: true, Body: []byte("[" + strings.Join(ops, ",") + "]")})
	var refusal *crdt.RefusalError
	if !errors.Is(err, ErrTooLarge) && !errors.As(err, &refusal) {
		t.Errorf("2^60 copies: %v", err)
	}
	many := "[" + strings.TrimSuffix(strings.Repeat(`{"op":"test","path":"","value":1},`, maxOperations+1), ",") + "]"
	if _, err := patched(t, `{}`, Patch{Kind: JSONPatch, Body: []byte(many)}); !errors.Is(err, ErrInput) {
		t.Errorf("%d operations: %v", maxOperations+1, err)
	}
}

// Random patches do to documents what they do to plain JSON.
func TestRandomPatches(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	taken := 0
	for i := range 3000 {
		before := map[string]any{}
		for range rng.IntN(4) {
			before[randomKey(rng)] = randomJSON(rng, 3)
		}
		content := marshal(before)
		if rng.IntN(3) == 0 {
			patch := map[string]any{}
			for range rng.IntN(4) {
				patch[randomKey(rng)] = randomJSON(rng, 3)
			}
			got, err := patched(t, content, Patch{Body: []byte(marshal(patch))})
			if want := marshal(modelMerge(clone(before), patch)); err != nil || got != want {
				t.Fatalf("seed %d case %d: %s with %s: %s, %v; want %s", seed, i, content, marshal(patch), got, err, want)
			}
			continue
		}
		ops := randomOperations(rng, before)
		want, ok := modelPatch(clone(before), ops)
		got, err := patched(t, content, Patch{Kind: JSONPatch, Body: []byte(marshal(ops))})
		if ok != (err == nil) || ok && got != marshal(want) {
			t.Fatalf("seed %d case %d: %s with %s: %s, %v; want %v %s", seed, i, content, marshal(ops), got, err, ok, marshal(want))
		}
		if ok {
			taken++
		}
	}
	if taken < 100 {
		t.Errorf("only %d JSON Patches were taken", taken)
	}
}

func marshal(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func clone(v any) any {
	var c any
	if err := json.Unmarshal([]byte(marshal(v)), &c); err != nil {
		panic(err)
	}
	return c
}

func randomKey(rng *rand.Rand) string { return []string{"a", "b", "c/d", "~", "id"}[rng.IntN(5)] }

func randomJSON(rng *rand.Rand, depth int) any {
	n := rng.IntN(8)
	if depth == 0 {
		n = rng.IntN(6)
	}
	switch n {
	case 0:
		return nil
	case 1:
		return rng.IntN(2) == 0
	case 2, 3:
		return float64(rng.IntN(3))
	case 4, 5:
		return []string{"", "x", "yx", "😀z"}[rng.IntN(4)]
	case 6:
		list := make([]any, rng.IntN(4))
		for i := range list {
			list[i] = randomJSON(rng, depth-1)
		}
		return list
	}
	fields := map[string]any{}
	for range rng.IntN(4) {
		fields[randomKey(rng)] = randomJSON(rng, depth-1)
	}
	return fields
}

// randomPath mostly names something that there is.
func randomPath(rng *rand.Rand, v any) string {
	path := ""
	for rng.IntN(3) > 0 {
		switch now := v.(type) {
		case map[string]any:
			key := randomKey(rng)
			if keys := slices.Sorted(maps.Keys(now)); len(keys) > 0 && rng.IntN(4) > 0 {
				key = keys[rng.IntN(len(keys))]
			}
			path += "/" + escape.Replace(key)
			v = now[key]
		case []any:
			i := rng.IntN(len(now) + 1)
			if i == len(now) {
				if rng.IntN(2) == 0 {
					return path + "/-"
				}
				return path + "/" + strconv.Itoa(i)
			}
			path, v = path+"/"+strconv.Itoa(i), now[i]
		default:
			return path
		}
	}
	return path
}

func randomOperations(rng *rand.Rand, doc any) []map[string]any {
	var ops []map[string]any
	for range 1 + rng.IntN(3) {
		op := map[string]any{"op": []string{"add", "remove", "replace", "move", "copy", "test"}[rng.IntN(6)], "path": randomPath(rng, doc)}
		switch op["op"] {
		case "move", "copy":
			op["from"] = randomPath(rng, doc)
		case "test":
			op["value"] = randomJSON(rng, 2)
			if p, err := parsePointer(op["path"].(string)); err == nil && rng.IntN(4) > 0 {
				if v, ok := modelGet(doc, p); ok {
					op["value"] = v
				}
			}
		default:
			op["value"] = randomJSON(rng, 2)
		}
		ops = append(ops, op)
	}
	return ops
}

// modelMerge is the pseudocode of RFC 7386 in Go.
func modelMerge(target any, patch any) any {
	fields, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	result, ok := target.(map[string]any)
	if !ok {
		result = map[string]any{}
	}
	for key, value := range fields {
		if value == nil {
			delete(result, key)
		} else {
			result[key] = modelMerge(result[key], value)
		}
	}
	return result
}

func modelGet(v any, p pointer) (any, bool) {
	for _, token := range p {
		switch now := v.(type) {
		case map[string]any:
			next, ok := now[token]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i >= len(now) {
				return nil, false
			}
			v = now[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// modelPut changes what a path names: fn gets the object around it and its key.
func modelPut(v any, p pointer, fn func(around any, token string) (any, bool)) (any, bool) {
	if len(p) == 1 {
		return fn(v, p[0])
	}
	next, ok := modelGet(v, p[:1])
	if !ok {
		return nil, false
	}
	next, ok = modelPut(next, p[1:], fn)
	if !ok {
		return nil, false
	}
	switch v := v.(type) {
	case map[string]any:
		v[p[0]] = next
	case []any:
		i, _ := strconv.Atoi(p[0])
		v[i] = next
	}
	return v, true
}

func modelAdd(doc any, p pointer, value any) (any, bool) {
	if len(p) == 0 {
		_, ok := value.(map[string]any)
		return value, ok
	}
	return modelPut(doc, p, func(around any, token string) (any, bool) {
		switch around := around.(type) {
		case map[string]any:
			around[token] = value
			return around, true
		case []any:
			i, err := strconv.Atoi(token)
			if token == "-" {
				i, err = len(around), nil
			}
			if err != nil || i > len(around) {
				return nil, false
			}
			return slices.Insert(around, i, value), true
		}
		return nil, false
	})
}

func modelRemove(doc any, p pointer) (any, bool) {
	if _, ok := modelGet(doc, p); !ok {
		return nil, false
	}
	if len(p) == 0 {
		return map[string]any{}, true
	}
	return modelPut(doc, p, func(around any, token string) (any, bool) {
		switch around := around.(type) {
		case map[string]any:
			delete(around, token)
			return around, true
		case []any:
			i, _ := strconv.Atoi(token)
			return slices.Delete(around, i, i+1), true
		}
		return nil, false
	})
}

// modelPatch applies a JSON Patch to plain JSON.
func modelPatch(doc any, ops []map[string]any) (any, bool) {
	for _, op := range ops {
		p, _ := parsePointer(op["path"].(string))
		value, ok := op["value"], true
		if text, has := op["from"].(string); has {
			from, _ := parsePointer(text)
			if value, ok = modelGet(doc, from); !ok {
				return nil, false
			}
			value = clone(value)
			if op["op"] == "move" {
				switch {
				case slices.Equal(p, from):
					continue
				case len(p) > len(from) && slices.Equal(p[:len(from)], from):
					return nil, false
				}
				doc, _ = modelRemove(doc, from)
			}
		}
		switch op["op"] {
		case "remove":
			doc, ok = modelRemove(doc, p)
		case "replace":
			if _, ok = modelGet(doc, p); ok && len(p) > 0 {
				doc, ok = modelPut(doc, p, func(around any, token string) (any, bool) {
					switch around := around.(type) {
					case map[string]any:
						around[token] = clone(value)
					case []any:
						i, _ := strconv.Atoi(token)
						around[i] = clone(value)
					}
					return around, true
				})
			} else if ok {
				doc, ok = modelAdd(doc, p, clone(value))
			}
		case "test":
			var now any
			now, ok = modelGet(doc, p)
			ok = ok && cmp.Equal(now, clone(value))
		default:
			doc, ok = modelAdd(doc, p, clone(value))
		}
		if !ok {
			return nil, false
		}
	}
	return doc, true
}
