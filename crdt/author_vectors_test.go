package crdt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// authorCase is a history that automerge-js 3.5.0 wrote: replicas merge others
// and then make one change each.
type authorCase struct {
	Actors []string
	Steps  []struct {
		Actor  int
		Merge  []int
		Edits  [][]json.RawMessage // verb, path, arguments
		Change string              // hex; empty if the edits wrote nothing
	}
}

func TestAuthoringWritesWhatAutomergeJSWrites(t *testing.T) {
	var cases []authorCase
	readJSON(t, "authoring.json.gz", &cases)
	for i, c := range cases {
		t.Run(fmt.Sprint(i), func(t *testing.T) { replayCase(t, c) })
	}
}

func replayCase(t *testing.T, c authorCase) {
	replicas := make([]*Doc, len(c.Actors))
	var all []*Change
	for i, a := range c.Actors {
		replicas[i] = New()
		replicas[i].SetActor(ActorID(unhex(t, a)))
	}
	for n, step := range c.Steps {
		d := replicas[step.Actor]
		for _, from := range step.Merge {
			for _, ch := range all {
				if replicas[from].Has(ch.Hash) {
					if err := d.Apply(ch); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		var want *Change
		if step.Change != "" {
			var err error
			if want, err = ParseChange(unhex(t, step.Change), Limits{}); err != nil {
				t.Fatal(err)
			}
		}
		got, err := d.ops.Compose(d.metaLike(t, want), func(tx *Tx) error {
			for _, e := range step.Edits {
				if err := replayEdit(t, tx, e); err != nil {
					return fmt.Errorf("%s: %w", e, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatalf("step %d: %v", n, err)
		}
		if (got == nil) != (want == nil) || got != nil && got.Hash != want.Hash {
			t.Fatalf("step %d: %s\ngot  %s\nwant %s", n, step.Edits, opLines(got), opLines(want))
		}
		if got == nil {
			continue
		}
		if err := d.Apply(got); err != nil {
			t.Fatal(err)
		}
		all = append(all, got)
		if n == 0 {
			for _, other := range replicas[1:] {
				if err := other.Apply(got); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// metaLike returns the fields of the document's next change. automerge-js names
// the actor's last change among the dependencies even if it is an ancestor of
// the heads; that is taken from the wanted change.
func (d *Doc) metaLike(t *testing.T, want *Change) ChangeMeta {
	meta := d.nextMeta(EditOptions{})
	if want == nil {
		return meta
	}
	for _, h := range want.Deps {
		if i, ok := d.graph.Index(h); ok && !slices.Contains(meta.Deps, h) {
			if actor, seq := d.graph.Author(i); actor == d.actor && seq == meta.Seq-1 {
				meta.Deps = append(meta.Deps, h)
			}
		}
	}
	SortHashes(meta.Deps)
	return meta
}

func opLines(c *Change) string {
	if c == nil {
		return "nothing"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "seq %d start %d deps %s time %d\n", c.Seq, c.StartOp, c.Deps, c.Time)
	for _, op := range describeOps(c) {
		line, _ := json.Marshal(op)
		fmt.Fprintf(&b, "  %s\n", line)
	}
	return b.String()
}

func replayEdit(t *testing.T, tx *Tx, e []json.RawMessage) error {
	t.Helper()
	var verb string
	var path []any
	arg := func(i int, to any) {
		d := json.NewDecoder(bytes.NewReader(e[i]))
		d.UseNumber()
		if err := d.Decode(to); err != nil {
			t.Fatal(err)
		}
	}
	arg(0, &verb)
	arg(1, &path)
	pointer := ""
	for _, p := range path {
		pointer += "/" + escapeToken.Replace(fmt.Sprint(p))
	}
	var obj Item
	if verb != "set" && verb != "del" && verb != "inc" {
		var err error
		if obj, err = tx.Lookup(pointer); err != nil {
			return err
		}
	}
	var value any
	var from, n int
	var name, expand string
	switch verb {
	case "set":
		arg(2, &value)
		_, err := tx.SetAt(pointer, untag(t, value))
		return err
	case "del":
		return tx.DeleteAt(pointer)
	case "inc":
		arg(2, &n)
		parent, token, err := tx.place(pointer)
		if err != nil {
			return err
		}
		if parent.Kind == KindMap {
			return tx.Increment(parent.ID, token, int64(n))
		}
		index, _ := parseIndex(token)
		return tx.IncrementIndex(parent.ID, index, int64(n))
	case "splice":
		arg(2, &from)
		arg(3, &n)
		arg(4, &value)
		return tx.Splice(obj.ID, from, n, untag(t, value).([]any)...)
	case "text":
		arg(2, &from)
		arg(3, &n)
		arg(4, &name)
		return tx.SpliceText(obj.ID, from, n, name)
	case "block":
		arg(2, &from)
		arg(3, &value)
		_, err := tx.SplitBlock(obj.ID, from, value.(map[string]any))
		return err
	}
	arg(2, &from)
	arg(3, &n)
	arg(4, &expand)
	arg(5, &name)
	how := map[string]Expand{"after": ExpandAfter, "before": ExpandBefore, "both": ExpandBoth, "none": ExpandNone}[expand]
	if verb == "unmark" {
		return tx.Unmark(obj.ID, from, n, name, how)
	}
	arg(6, &value)
	return tx.Mark(obj.ID, from, n, name, value, how)
}

// untag turns the tagged values of the vectors into Go values.
func untag(t *testing.T, v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = untag(t, v[i])
		}
	case map[string]any:
		for key := range v {
			switch n, _ := v[key].(json.Number); key {
			case "$counter":
				i, _ := n.Int64()
				return Counter(i)
			case "$date":
				i, _ := n.Int64()
				return time.UnixMilli(i)
			case "$bytes":
				return unhex(t, v[key].(string))
			case "$str":
				return StringValue(v[key].(string))
			}
			v[key] = untag(t, v[key])
		}
	}
	return v
}
