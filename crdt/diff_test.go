package crdt

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
)

// patch performs the edits of a diff on what a document showed before, in the
// decoded form of AppendTypedJSON.
func patch(t *testing.T, tree any, d *Diff, after View) any {
	t.Helper()
	edits := slices.Clone(d.Edits)
	paths := make(map[OpID]string)
	for i := range edits {
		path, ok := after.PathOf(edits[i].Object)
		if !ok && d.Reach(&edits[i]) == Shown {
			t.Fatalf("no path of %v", edits[i].Object)
		}
		paths[edits[i].Object] = path
	}
	slices.SortStableFunc(edits, func(a, b Edit) int { // outer objects first, since paths are those of afterwards
		return cmp.Compare(strings.Count(paths[a.Object], "/"), strings.Count(paths[b.Object], "/"))
	})
	for i := range edits {
		e := &edits[i]
		if d.Reach(e) != Shown || !d.WasShown(e) || e.Action == EditMark {
			continue
		}
		var steps []string
		if path := paths[e.Object]; path != "" {
			steps = strings.Split(path[1:], "/")
		}
		tree = patchAt(t, tree, steps, e, after)
	}
	return tree
}

// patchAt returns the tree with an edit of the object that steps lead to.
func patchAt(t *testing.T, tree any, steps []string, e *Edit, after View) any {
	t.Helper()
	switch tree := tree.(type) {
	case map[string]any:
		text, isText := tree["text"].(string)
		switch {
		case isText && len(steps) > 0:
			return tree // a block in the text, of which the tree has nothing
		case isText:
			tree["text"] = patchText(t, text, e)
		case len(steps) > 0:
			tree[steps[0]] = patchAt(t, tree[steps[0]], steps[1:], e, after)
		case e.Action == EditDelete:
			delete(tree, e.Key.Name)
		case e.Action != EditConflict:
			tree[e.Key.Name] = typedItem(t, after, e.After[len(e.After)-1])
		}
		return tree
	case []any:
		if len(steps) > 0 {
			i, err := strconv.Atoi(steps[0])
			if err != nil || i >= len(tree) {
				t.Fatalf("step %q into a list of %d", steps[0], len(tree))
			}
			tree[i] = patchAt(t, tree[i], steps[1:], e, after)
			return tree
		}
		return patchList(t, tree, e, after)
	}
	t.Fatalf("%s in %v", e.Action, tree)
	return nil
}

func patchList(t *testing.T, list []any, e *Edit, after View) []any {
	t.Helper()
	if end := len(list); e.Index > end || e.Index == end && e.Action != EditInsert {
		t.Fatalf("%s at %d of %d", e.Action, e.Index, end)
	}
	switch e.Action {
	case EditConflict:
		return list
	case EditDelete:
		return slices.Delete(list, e.Index, e.Index+1)
	case EditInsert:
		return slices.Insert(list, e.Index, typedItem(t, after, e.After[len(e.After)-1]))
	}
	list[e.Index] = typedItem(t, after, e.After[len(e.After)-1])
	return list
}

func patchText(t *testing.T, text string, e *Edit) string {
	t.Helper()
	units := utf16.Encode([]rune(text))
	deleted := utf16.Encode([]rune(e.Deleted))
	end := e.Index + len(deleted)
	if end > len(units) || !slices.Equal(units[e.Index:end], deleted) {
		t.Fatalf("%s replaces %q at %d of %q", e.Action, e.Deleted, e.Index, text)
	}
	return string(utf16.Decode(slices.Concat(units[:e.Index], utf16.Encode([]rune(e.Inserted)), units[end:])))
}

func typedItem(t *testing.T, v View, item Item) any {
	if item.Kind == KindText {
		return map[string]any{"text": v.Text(item.ID)}
	}
	if item.Kind != KindScalar {
		return decodeJSON(t, v.AppendTypedJSON(nil, item.ID))
	}
	return decodeJSON(t, appendTypedValue(nil, item.Value))
}

// checkDiff compares a diff with both states that it lies between.
func checkDiff(t *testing.T, d *Diff, before, after View) {
	t.Helper()
	wasShown, shown := shownObjects(before), shownObjects(after)
	for i := range d.Edits {
		e := &d.Edits[i]
		if e.Action != EditSplice && e.Action != EditMark {
			if b, a := before.Conflicts(e.Object, e.Key), after.Conflicts(e.Object, e.Key); fmt.Sprint(b, a) != fmt.Sprint(e.Before, e.After) ||
				len(b) != e.BeforeCount || len(a) != e.AfterCount {
				t.Fatalf("%s of %v in %v: %v → %v, want %v → %v", e.Action, e.Key, e.Object, e.Before, e.After, b, a)
			}
		}
		if d.WasShown(e) != wasShown[e.Object] || (d.Reach(e) == Shown) != shown[e.Object] || d.Reach(e) != after.Reach(e.Object) {
			t.Fatalf("object %v was shown: %t, want %t; is %s, shown: %t", e.Object, d.WasShown(e), wasShown[e.Object], d.Reach(e), shown[e.Object])
		}
		path, ok := d.Path(e)
		if want, known := after.Path(e.Object, e.Key); path != want || ok != known || !ok {
			t.Fatalf("path %q, %t, want %q", path, ok, want)
		}
		if e.Kind != KindMap && !strings.HasSuffix(path, fmt.Sprintf("/%d", e.Index)) {
			t.Fatalf("path %q of index %d", path, e.Index)
		}
	}
	got := patch(t, decodeJSON(t, before.AppendTypedJSON(nil, OpID{})), d, after)
	want := decodeJSON(t, after.AppendTypedJSON(nil, OpID{}))
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("patched\n%v\nwant\n%v\nedits %+v", got, want, d.Edits)
	}
}

// shownObjects returns the objects that a view leads to.
func shownObjects(v View) map[OpID]bool {
	shown := make(map[OpID]bool)
	todo := []OpID{{}}
	for len(todo) > 0 {
		obj := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		shown[obj] = true
		for _, item := range v.Fields(obj) {
			if item.Kind != KindScalar {
				todo = append(todo, item.ID)
			}
		}
		for e := range v.Elements(obj, 0) {
			if e.Kind != KindScalar {
				todo = append(todo, e.Item.ID)
			}
		}
	}
	return shown
}

// TestDiffOfChanges performs the edits of each change on the state before it.
func TestDiffOfChanges(t *testing.T) {
	rng := newRand(t)
	actions := make(map[EditAction]int)
	var d Diff
	for range 80 {
		h := newRandomHistory(t, rng)
		for range 30 {
			before := h.at(t, h.graph.Heads())
			h.add(t, h.next(t), &d)
			checkDiff(t, &d, before, h.ops.View())
			for _, e := range d.Edits {
				actions[e.Action]++
			}
		}
	}
	for a := EditPut; a <= EditMark; a++ {
		if actions[a] < 20 {
			t.Errorf("%d times %s, which proves little", actions[a], a)
		}
	}
}

// TestDiffBetweenStates performs the edits between random states, in either
// direction.
func TestDiffBetweenStates(t *testing.T) {
	rng := newRand(t)
	for range 40 {
		h := newRandomHistory(t, rng)
		for range 30 {
			h.add(t, h.next(t), nil)
		}
		for range 15 {
			before, after := h.at(t, h.randomHeads()), h.at(t, h.randomHeads())
			checkDiff(t, Between(before, after), before, after)
			checkDiff(t, Between(after, h.ops.View()), after, h.ops.View())
		}
	}
}

// TestDiffOfRecordedHistories holds the same for real documents, and that the
// edits between two states are those of the changes between.
func TestDiffOfRecordedHistories(t *testing.T) {
	for _, file := range codecFiles(t) {
		doc := newTestDoc(t)
		var d Diff
		changes := readChanges(t, file)
		for i, c := range changes {
			every := max(1, len(changes)/40)
			before := doc.at(t, doc.graph.Heads())
			doc.add(t, c, &d)
			if i%every != 0 || c.NumOps > 1000 {
				continue
			}
			checkDiff(t, &d, before, doc.ops.View())
			between := Between(before, doc.ops.View())
			if a, b := fmt.Sprint(d.Edits), fmt.Sprint(between.Edits); a != b {
				t.Fatalf("%s change %d: applied %s\nbetween %s", file, i, a, b)
			}
		}
	}
}
