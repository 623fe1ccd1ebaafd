package derive

import (
	"bytes"

	"concord/crdt"
	"concord/internal/rules"
	"concord/store"
	"concord/sync/hub"
)

// derivation makes the events of one document.
type derivation struct {
	deriver *Deriver
	rules   *typeRules
	key     store.DocKey
	values  []rules.Value       // at the paths, after the last change; nil before the first Begin
	keys    map[string]struct{} // of the root, in which the last change did something visible
}

// Size returns the bytes of memory that the derivation holds, about.
func (d *derivation) Size() int {
	n := 64
	for _, v := range d.values {
		n += v.Size()
	}
	return n
}

// Begin is called before the first of the changes that come together is applied.
func (d *derivation) Begin(before crdt.View, exists bool) hub.Transition {
	if d.values == nil {
		d.values = make([]rules.Value, len(d.rules.paths))
		for i, path := range d.rules.paths {
			d.values[i] = rules.Read(before, path)
		}
	}
	return &transition{derivation: d, before: before, existed: exists}
}

// transition is what changes that came together do to the document.
type transition struct {
	*derivation
	before  crdt.View
	existed bool // before them
	applied int
	maker   *maker
	updates []later             // to be told later
	first   map[int]rules.Value // at the paths that have changed, before all changes
	touched map[string]struct{} // keys of the root in which they did something visible; for rules about updates
}

type later struct {
	rule *Rule
	who  string
}

// Applied evaluates the rules after a change.
func (t *transition) Applied(a hub.Applied) {
	t.applied++
	t.findKeys(&a)
	s := step{created: !t.existed && t.applied == 1, updated: len(t.keys) > 0, after: t.value}
	if !s.created && !s.updated {
		return // nothing that anybody sees
	}
	previous := t.reread(a.Content.View())
	s.changed = len(previous) > 0
	s.before = func(path string) rules.Value {
		i := t.rules.index[path]
		if v, ok := previous[i]; ok {
			return v
		}
		return t.values[i]
	}
	if t.maker == nil {
		t.maker = t.newMaker(a.Received)
	}
	t.evaluate(s, about{a.Key.Document, a.Type, a.Ref, a.User}, a.Content.View())
	if t.existed && t.rules.updates {
		if t.touched == nil {
			t.touched = make(map[string]struct{})
		}
		for key := range t.keys {
			t.touched[key] = struct{}{}
		}
	}
}

// evaluate notes what rules make of a step from one state to another.
func (t *transition) evaluate(s step, a about, v crdt.View) {
	for _, r := range t.rules.rules {
		switch m, ok := r.happens(s); {
		case !ok:
		case m == Updated:
			t.update(r, a.who)
		default:
			t.maker.make(r, m, a, v)
		}
	}
}

func (t *transition) update(r *Rule, who string) {
	for _, u := range t.updates {
		if u.rule == r {
			return
		}
	}
	t.updates = append(t.updates, later{r, who})
}

// value returns what is at a path after the last change.
func (t *transition) value(path string) rules.Value { return t.values[t.rules.index[path]] }

// manyKeys is how many keys are kept room for.
const manyKeys = 256

// findKeys finds the keys of the root in which a change did something visible.
func (t *transition) findKeys(a *hub.Applied) {
	if len(t.keys) > manyKeys {
		t.keys = nil
	}
	clear(t.keys)
	var object crdt.OpID // of the last edit, which is in key
	key, known := "", false
	for i := range a.Diff.Edits {
		e := &a.Diff.Edits[i]
		if e.Action == crdt.EditConflict || rewrites(e) || a.Diff.Reach(e) != crdt.Shown {
			continue
		}
		if e.Object.IsZero() {
			key, known = e.Key.Name, false
		} else if !known || e.Object != object {
			object, known = e.Object, true
			key = rootKey(a.Content, object)
		}
		if t.keys == nil {
			t.keys = make(map[string]struct{})
		}
		t.keys[key] = struct{}{}
	}
}

// rewrites reports whether an edit writes the value that was there.
func rewrites(e *crdt.Edit) bool {
	if e.Action != crdt.EditPut || len(e.Before) == 0 || len(e.After) == 0 {
		return false
	}
	before, after := e.Before[len(e.Before)-1], e.After[len(e.After)-1]
	return before.Kind == crdt.KindScalar && after.Kind == crdt.KindScalar && before.Value.Equal(after.Value)
}

// rootKey returns the key of the root in which an object is.
func rootKey(content *crdt.OpSet, object crdt.OpID) (name string) {
	for !object.IsZero() {
		parent, key, ok := content.Place(object)
		if !ok {
			return name
		}
		object, name = parent, key.Name
	}
	return name
}

// reread reads what is at the paths that the last change may have changed, and
// returns what was there before, of those that it did change.
func (t *transition) reread(v crdt.View) (previous map[int]rules.Value) {
	previous = make(map[int]rules.Value)
	if len(t.keys) < len(t.rules.byToken) {
		for key := range t.keys {
			t.rereadPaths(v, t.rules.byToken[key], previous)
		}
		return previous
	}
	for key, paths := range t.rules.byToken {
		if _, ok := t.keys[key]; ok {
			t.rereadPaths(v, paths, previous)
		}
	}
	return previous
}

func (t *transition) rereadPaths(v crdt.View, paths []int, previous map[int]rules.Value) {
	for _, i := range paths {
		was := t.values[i]
		t.values[i] = rules.Read(v, t.rules.paths[i])
		if was.Same(t.values[i]) {
			continue
		}
		previous[i] = was
		if t.first == nil {
			t.first = make(map[int]rules.Value)
		}
		if _, ok := t.first[i]; !ok {
			t.first[i] = was
		}
	}
}

// Records returns what is to be committed with the changes.
func (t *transition) Records(e hub.Ended) ([]store.Record, error) {
	if e.Imported || e.Answered {
		t.asOne(e)
	}
	if t.maker == nil {
		return nil, nil
	}
	return append(t.maker.finish(), t.deriver.putOff(t.key, t.updates, t.maker.now)...), nil
}

// asOne takes all changes together for one.
func (t *transition) asOne(e hub.Ended) {
	t.maker, t.updates = t.newMaker(e.Received), nil
	s := step{
		created: !t.existed, changed: len(t.first) > 0, updated: t.existed && t.differs(e.View), after: t.value,
		before: func(path string) rules.Value {
			i := t.rules.index[path]
			if v, ok := t.first[i]; ok {
				return v
			}
			return t.values[i]
		},
	}
	t.evaluate(s, about{e.Key.Document, e.Type, e.Ref, e.User}, e.View)
}

// differs reports whether people see something else than before the changes.
func (t *transition) differs(now crdt.View) bool {
	for key := range t.touched {
		before, was := t.before.Field(crdt.Root, key)
		after, is := now.Field(crdt.Root, key)
		if was != is || was && !bytes.Equal(rules.AppendContent(nil, t.before, before), rules.AppendContent(nil, now, after)) {
			return true
		}
	}
	return false
}
