package crdt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf16"
)

func editable(t testing.TB, actor string) *Doc {
	t.Helper()
	d := New()
	d.SetActor(ActorID(actor))
	return d
}

func mustEdit(t testing.TB, d *Doc, fn func(tx *Tx) error) *Change {
	t.Helper()
	c, err := d.Edit(EditOptions{}, fn)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mustUpdate(t testing.TB, d *Doc, want any) *Change {
	t.Helper()
	return mustEdit(t, d, func(tx *Tx) error { return tx.Update("", want) })
}

func jsonOf(d *Doc) string { return string(d.View().AppendJSON(nil, Root)) }

func jsonValue(t testing.TB, s string) any {
	t.Helper()
	var v any
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// randomJSON returns a JSON value whose size grows with depth.
func randomJSON(r *rand.Rand, depth int) any {
	kinds := 6
	if depth > 0 {
		kinds = 12
	}
	switch r.IntN(kinds) {
	case 0:
		return nil
	case 1:
		return r.IntN(2) == 0
	case 2:
		return float64(r.IntN(5))
	case 3:
		return float64(r.IntN(40)) / 8
	case 4, 5:
		return randomText(r, 12)
	case 6, 7, 8:
		list := make([]any, r.IntN(7))
		for i := range list {
			list[i] = randomJSON(r, depth-1)
		}
		return list
	}
	return randomMap(r, depth-1)
}

func randomMap(r *rand.Rand, depth int) map[string]any {
	fields := make(map[string]any)
	for range r.IntN(6) {
		fields[string(rune('a'+r.IntN(6)))] = randomJSON(r, depth)
	}
	if r.IntN(3) == 0 {
		fields["id"] = float64(r.IntN(4))
	}
	return fields
}

func randomText(r *rand.Rand, n int) string {
	parts := []string{"a", "b", "c", "é", "e\u0301", "😀", "👩‍👩‍👧", "🇩🇪", "\r\n", " ", "日"}
	var b strings.Builder
	for range r.IntN(n) {
		b.WriteString(parts[r.IntN(len(parts))])
	}
	return b.String()
}

func TestUpdateReachesTheWantedState(t *testing.T) {
	const seed = 11
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range 600 {
		d := editable(t, "author")
		for step := range 4 {
			want := randomMap(r, 3)
			mustEdit(t, d, func(tx *Tx) error {
				tx.ScalarStrings = i%2 == 0
				return tx.Update("", want)
			})
			encoded, err := json.Marshal(want)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := jsonValue(t, jsonOf(d)), jsonValue(t, string(encoded)); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("seed %d, case %d, step %d:\ngot  %v\nwant %v", seed, i, step, got, want)
			}
			if c := mustUpdate(t, d, want); c != nil {
				t.Fatalf("seed %d, case %d: updating to what is there wrote %d ops", seed, i, c.NumOps)
			}
			if c := mustUpdate(t, d, jsonValue(t, jsonOf(d))); c != nil {
				t.Fatalf("seed %d, case %d: updating to its own JSON wrote %d ops", seed, i, c.NumOps)
			}
		}
		reloaded, err := Load(d.Save(), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := jsonOf(reloaded), jsonOf(d); got != want {
			t.Fatalf("seed %d, case %d: reloaded %s, want %s", seed, i, got, want)
		}
	}
}

func TestUpdateTextIsMinimal(t *testing.T) {
	for _, test := range []struct {
		from, to string
		ops      int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"hello world", "hello brave world", 6},
		{"the quick fox", "the quack fox", 2},
		{"aaaa", "aaa", 1},
		{"x😀y", "x😁y", 2},         // one code point each
		{"cafe", "cafe\u0301", 3}, // the letter goes with its accent
		{"👩‍👩‍👧!", "👩‍👩‍👦!", 10},
		{"🇩🇪🇫🇷", "🇩🇪🇮🇹", 4},
		{"a\r\nb", "a\nb", 3},
		{"one two three", "one 2 three", 4},
	} {
		d := editable(t, "author")
		mustEdit(t, d, func(tx *Tx) error { _, err := tx.Set(Root, "t", test.from); return err })
		ops := 0
		if c := mustUpdate(t, d, map[string]any{"t": test.to}); c != nil {
			ops = c.NumOps
		}
		text, _ := d.View().Lookup("/t")
		if got := d.View().Text(text.ID); got != test.to {
			t.Errorf("%q to %q gave %q", test.from, test.to, got)
		}
		if ops != test.ops {
			t.Errorf("%q to %q took %d ops, want %d", test.from, test.to, ops, test.ops)
		}
	}
}

func TestUpdateTextOnRandomTexts(t *testing.T) {
	const seed = 12
	r := rand.New(rand.NewPCG(seed, 1))
	d := editable(t, "author")
	var text OpID
	mustEdit(t, d, func(tx *Tx) (err error) { text, err = tx.Set(Root, "t", ""); return err })
	for i := range 500 {
		want := randomText(r, 30)
		mustEdit(t, d, func(tx *Tx) error {
			if r.IntN(2) == 0 { // read its own writes
				at := r.IntN(tx.Len(text) + 1)
				if err := tx.SpliceText(text, at, 0, "zz"); err != nil {
					return err
				}
			}
			return tx.UpdateText(text, want)
		})
		if got := d.View().Text(text); got != want {
			t.Fatalf("seed %d, case %d: %q, want %q", seed, i, got, want)
		}
	}
}

func TestUpdateKeepsTypes(t *testing.T) {
	d := editable(t, "author")
	mustEdit(t, d, func(tx *Tx) error {
		return tx.Update("", map[string]any{
			"counter": Counter(5), "when": TimestampValue(1_700_000_000_000), "bytes": []byte{1, 2, 3},
			"name": StringValue("draft"), "text": "some text", "list": []any{Counter(1), 2},
		})
	})
	mustUpdate(t, d, jsonValue(t, `{"counter":8,"when":"2024-01-02T03:04:05.000Z","bytes":"BAU=","name":"final","text":"some more text","list":[4,2.0]}`))
	const want = `{"bytes":{"bytes":"0405"},"counter":{"counter":"8"},"list":[{"counter":"4"},{"int":"2"}],` +
		`"name":{"str":"final"},"text":{"text":"some more text"},"when":{"timestamp":"1704164645000"}}`
	if got := string(d.View().AppendTypedJSON(nil, Root)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestUpdateListsByContent(t *testing.T) {
	d := editable(t, "author")
	rows := `{"lines":[{"id":1,"qty":1},{"id":2,"qty":2},{"id":3,"qty":3}],"tags":[1,2,3,4,5]}`
	mustUpdate(t, d, jsonValue(t, rows))
	second, _ := d.View().Lookup("/lines/1")
	c := mustUpdate(t, d, jsonValue(t, `{"lines":[{"id":2,"qty":9},{"id":3,"qty":3}],"tags":[1,3,4,6,5]}`))
	if c.NumOps != 4 { // delete a line, set its quantity, delete a tag, insert a tag
		t.Errorf("%d ops:\n%s", c.NumOps, opLines(c))
	}
	if first, _ := d.View().Lookup("/lines/0"); first.ID != second.ID {
		t.Error("the line was made anew")
	}
}

func TestUpdateMergesWithConcurrentEdits(t *testing.T) {
	a := editable(t, "a")
	mustUpdate(t, a, jsonValue(t, `{"t":"one two three","n":1,"l":["a","b"]}`))
	b, err := a.Fork()
	if err != nil {
		t.Fatal(err)
	}
	b.SetActor("b")
	mustUpdate(t, a, jsonValue(t, `{"t":"zero one two three","n":2,"l":["x","a","b"]}`))
	mustUpdate(t, b, jsonValue(t, `{"t":"one two three four","n":1,"l":["a","b","y"]}`))
	if err := a.Merge(b); err != nil {
		t.Fatal(err)
	}
	if err := b.Merge(a); err != nil {
		t.Fatal(err)
	}
	const want = `{"l":["x","a","b","y"],"n":2,"t":"zero one two three four"}`
	if got := jsonOf(a); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !bytes.Equal([]byte(jsonOf(b)), []byte(jsonOf(a))) {
		t.Errorf("b has %s", jsonOf(b))
	}
}

func TestUpdateTextKeepsElementsOfSeveralCharacters(t *testing.T) {
	d := editable(t, "author")
	var text OpID
	mustEdit(t, d, func(tx *Tx) (err error) { text, err = tx.Set(Root, "t", "a"); return err })
	long := Op{Action: ActionSet, Obj: text, Key: ElemKey(text), Insert: true, Value: StringValue("hello")}
	long.Key = ElemKey(OpID{text.Counter + 1, "author"})
	c, err := EncodeChange(d.nextMeta(EditOptions{}), []Op{long})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Apply(c); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ahello", "ahello!", "bhello!", "ahelo!", "", "x"} {
		mustEdit(t, d, func(tx *Tx) error { return tx.UpdateText(text, want) })
		if got := d.View().Text(text); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	}
	if n := len(utf16.Encode([]rune("x"))); d.View().Len(text) != n {
		t.Errorf("length %d", d.View().Len(text))
	}
}

func TestUpdateLeavesEqualValuesAlone(t *testing.T) {
	a := editable(t, "a")
	set := func(key string, v Value) Op { return Op{Action: ActionSet, Key: MapKey(key), Value: v} }
	c, err := EncodeChange(a.nextMeta(EditOptions{}), []Op{
		set("float", Float64Value(2)), set("inf", Float64Value(math.Inf(1))), set("uint", UintValue(7)),
		set("unknown", UnknownValue(12, []byte{1})), set("when", TimestampValue(math.MaxInt64)),
		set("conflict", IntValue(1)), set("conflict", IntValue(2)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Apply(c); err != nil {
		t.Fatal(err)
	}
	same := jsonValue(t, jsonOf(a))
	if c := mustUpdate(t, a, same); c != nil {
		t.Errorf("wrote %s", opLines(c))
	}
	if items := a.View().Conflicts(Root, MapKey("conflict")); len(items) != 2 {
		t.Errorf("%d values, want both", len(items))
	}
	mustUpdate(t, a, jsonValue(t, strings.Replace(jsonOf(a), `"conflict":2`, `"conflict":3`, 1)))
	if items := a.View().Conflicts(Root, MapKey("conflict")); len(items) != 1 {
		t.Errorf("%d values after an edit, want one", len(items))
	}
}
