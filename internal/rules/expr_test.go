package rules

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"concord/crdt"
)

// sample is a document with a value of each type.
func sample(t *testing.T) crdt.View {
	t.Helper()
	d := crdt.New()
	d.SetActor("a")
	content := map[string]any{
		"status": "posted", "scalar": crdt.StringValue("posted"), "empty": "", "total": 1000, "price": 12.5, "zero": 0,
		"count": crdt.Counter(7), "approved": true, "draft": false, "nothing": nil,
		"due": crdt.TimestampValue(1767225600000), "bytes": []byte{1}, "a b": "blank", "": "unnamed", "in": 1,
		"lines": []any{map[string]any{"price": 3}}, "long": strings.Repeat("x", 5000), "and": map[string]any{"or": 1},
	}
	if _, err := d.Edit(crdt.EditOptions{}, func(tx *crdt.Tx) error { return tx.Update("", content) }); err != nil {
		t.Fatal(err)
	}
	return d.View()
}

func TestExpressions(t *testing.T) {
	v := sample(t)
	for s, want := range map[string]bool{
		"/status == posted":                true,
		"/status == 'posted'":              true,
		"/status == draft":                 false,
		"/status == post":                  false,
		"/status == posted2":               false,
		"/scalar == posted":                true,
		"/status != posted":                false,
		"/status in [draft, posted]":       true,
		"/status not in [draft, posted]":   false,
		"/status in [draft]":               false,
		"/missing == x":                    false,
		"/missing != x":                    true,
		"/missing in [x]":                  false,
		"/missing not in [x]":              true,
		"/missing < 1":                     false,
		"/missing >= 1":                    false,
		"/missing == null":                 false,
		"/missing exists":                  false,
		"not /missing exists":              true,
		"/nothing exists":                  true,
		"/nothing == null":                 true,
		"/status == null":                  false,
		"/total == 1000":                   true,
		"/total == 1000.0":                 true,
		"/total == \"1000\"":               false,
		"/total > 999":                     true,
		"/total > 1000":                    false,
		"/total >= 1000":                   true,
		"/total < 1000.5":                  true,
		"/total <= -1":                     false,
		"/price == 12.5":                   true,
		"/price in [1, 12.5]":              true,
		"/count == 7":                      true,
		"/approved == true":                true,
		"/approved != false":               true,
		"/draft == false":                  true,
		"/draft == 0":                      false,
		"/zero == false":                   false,
		"/due == 2026-01-01T00:00:00.000Z": true,
		"/due >= 2026-01-01":               true,
		"/due < 2026-01-01":                false,
		"/status > p":                      true,
		"/status < posted":                 false,
		"/status < postee":                 true,
		"/bytes == AQ":                     false,
		"/lines exists":                    true,
		"/lines == 1":                      false,
		"/lines != 1":                      true,
		"/lines/0/price == 3":              true,
		"/lines/1/price exists":            false,
		"/empty == ''":                     true,
		"`/a b` == blank":                  true,
		"/ == unnamed":                     true,
		"/and/or == 1 and /in == 1":        true,
		"/long > x":                        true,
		"/long == x":                       false,
		"/total > 1 and /status == draft or /approved==true":  true,
		"/total > 1 and (/status == draft or /zero == 1)":     false,
		"not /zero == 1 and not (/zero == 2 or /zero == 3)":   true,
		"not (not /zero == 0)":                                true,
		"/zero == 1 or /zero == 2 or /zero == 0":              true,
		"/zero == 1 or /zero == 0 and /total == 1":            false,
		"/status in [posted, paid] and /total > 10":           true,
		"/status in['posted',paid] and /total>10":             true,
		"(/status == posted)":                                 true,
		"/status == posted\n  and /total == 1000":             true,
		"/status == /scalar":                                  true, // text and scalar string
		"/status != /scalar":                                  false,
		"/status == /long":                                    false,
		"/long == /long":                                      true,
		"/total > /price":                                     true,
		"/total<=/count":                                      false,
		"/zero < /count and /count < /price":                  true,
		"/total == /status":                                   false,
		"/total < /status":                                    false,
		"/total > /status":                                    false,
		"/approved == /draft":                                 false,
		"/approved != /draft":                                 true,
		"/nothing == /nothing":                                true,
		"/missing == /missing":                                false,
		"/missing != /missing":                                true,
		"/missing < /total":                                   false,
		"/lines == /lines":                                    false,
		"/status == `/a b`":                                   false,
		"/due > /scalar":                                      false,
		"/due < /scalar":                                      true,
		"/status == \"posted\" and /status != 'it\"s posted'": true,
	} {
		e, err := ParseExpr(s)
		if s == "/ == unnamed" { // a field without a name is possible, but hardly meant
			if err == nil {
				t.Errorf("%s: accepted", s)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		look := func(path string) Value { return Read(v, path) }
		if got := e.Holds(look); got != want {
			t.Errorf("%s: %v", s, got)
		}
		again, err := ParseExpr(e.String())
		if err != nil || again.Holds(look) != want || again.String() != e.String() {
			t.Errorf("%s: written as %s, which is read as %v: %v", s, e, again, err)
		}
	}
}

func TestExpressionMistakes(t *testing.T) {
	for s, want := range map[string]string{
		"":                      "0: a path is missing before the end",
		"status == posted":      "0: a path, such as /status is missing before status",
		"status.code == posted": "0: a path, such as /status/code is missing before status.code",
		"/status":               "7: what about /status? After a path come ==, !=, <, <=, >, >=, in, not in or exists",
		"/status posted":        "8: what about /status? After a path come ==, !=, <, <=, >, >=, in, not in or exists",
		"/status not exists":    "8: what about /status? After a path come ==, !=, <, <=, >, >=, in, not in or exists",
		"/status = posted":      "8: write == to compare",
		"!/status == posted":    "0: write not, or != to compare",
		"/a == 1 && /b == 1":    "8: '&' has no meaning here; write and",
		"/a == 1 || /b == 1":    "8: '|' has no meaning here; write or",
		"/a == 1 /b == 1":       "8: and, or or the end is missing before /b",
		"/a == 1 and":           "11: a path is missing before the end",
		"/a == 1)":              "7: and, or or the end is missing before )",
		"(/a == 1":              "0: the ( isn't closed",
		"/a ==":                 "5: a value is missing before the end",
		"/a in [/b]":            "7: a list has values, and no paths; if /b is a text, put it in quotes",
		"/a == /b/*":            "6: this looks at one place; * isn't possible here",
		"/a < /b /c":            "8: and, or or the end is missing before /c",
		"/a == [1]":             "6: a list of values comes after in",
		"/a == and":             "6: a value is missing before and",
		"/a in posted":          "6: a list such as [posted, paid] is missing",
		"/a in []":              "7: a value is missing before ]",
		"/a in [x, 1]":          "10: 1 is a number, the values before it are a text",
		"/a in [x y]":           "9: a comma or the ] of the list is missing before y",
		"/a in [x":              "8: a comma or the ] of the list is missing before the end",
		"/a > true":             "5: true is neither more nor less than anything; use == or !=",
		"/a < null":             "5: null is neither more nor less than anything; use == or !=",
		"/a == 'x":              "6: the ' isn't closed",
		"/lines/*/price > 1":    "0: this looks at one place; * isn't possible here",
		"/a~2 exists":           "0: in a path ~ is written as ~0, and / inside a key as ~1",
		"`` exists":             "0: a path names a field, such as /status",
		"/lines/- exists":       "0: - names no element that is there; * stands for all",
		"not":                   "3: a path is missing before the end",
		"/a == 1 or or /b == 1": "11: a path is missing before or",
	} {
		_, err := ParseExpr(s)
		if err == nil {
			t.Errorf("%q: accepted", s)
		} else if got := strings.TrimSpace(strings.Join([]string{itoa(err.At), err.Text}, ": ")); got != want {
			t.Errorf("%q:\n got %s\nwant %s", s, got, want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		value   crdt.Value
		literal string
		want    int
	}{
		{crdt.UintValue(1 << 63), "9223372036854775807", 1},
		{crdt.UintValue(1 << 63), "9223372036854775808", 0},
		{crdt.UintValue(1 << 63), "-1", 1},
		{crdt.UintValue(3), "3", 0},
		{crdt.UintValue(3), "3.5", -1},
		{crdt.IntValue(1<<62 + 1), "4611686018427387904", 1}, // equal as floats
		{crdt.IntValue(-3), "-3e0", 0},
		{crdt.CounterValue(3), "4", -1},
		{crdt.Float64Value(0.5), ".25", 1},
	} {
		if got, ok := valueOf(crdt.View{}, crdt.Item{Value: c.value}).compare(word(c.literal)); !ok || got != c.want {
			t.Errorf("%v and %s: %d %v", c.value, c.literal, got, ok)
		}
	}
	for _, s := range []string{"NaN", "Inf", "0x10", "1_000", "1e", "-", ""} {
		if l := word(s); l.kind != kindText {
			t.Errorf("%s is %s", s, l.kind)
		}
	}
	if _, ok := valueOf(crdt.View{}, crdt.Item{Value: crdt.Float64Value(math.NaN())}).compare(word("1")); ok {
		t.Error("NaN has an order")
	}
}

// FuzzExpr looks for panics, and for expressions that are something else once
// they have been written down.
func FuzzExpr(f *testing.F) {
	for _, s := range []string{
		"/status in [posted, paid] and not (/total < 1000 or /draft == true)", "/a exists or `/b c` != 'x\"y'",
		"not not /x not in [1, 2.5, -3e7]", "((/a==null))", "/due >= 2026-01-01", "/a == \"it's\"",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := ParseExpr(s)
		if err != nil {
			if err.At < 0 || err.At > len(s) {
				t.Fatalf("%q: mistake at byte %d", s, err.At)
			}
			return
		}
		again, err := ParseExpr(e.String())
		if err != nil {
			if len(e.String()) > maxExprBytes {
				return
			}
			t.Fatalf("%q is written as %q, which isn't read: %s", s, e, err.Text)
		}
		if again.String() != e.String() {
			t.Fatalf("%q is written as %q, which is read as %q", s, e, again)
		}
		e.Holds(func(path string) Value { return Read(crdt.New().View(), path) })
	})
}

func itoa(n int) string { return strconv.Itoa(n) }
