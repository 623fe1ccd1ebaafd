package conflict

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"concord/crdt"
	"concord/sync/hub"
)

// decision is what a choice means for the document.
type decision struct {
	what  string // for people
	write func(*crdt.Tx, hub.Reading) error
}

// decisionOf checks a choice.
func decisionOf(c *Conflict, choice Choice) (decision, error) {
	switch {
	case c.Kind == Guarded:
		return decision{}, fmt.Errorf("it is a proposal, which is accepted or dismissed: %w", ErrChoice)
	case c.Status != Open:
		return decision{}, ErrNotOpen
	case (choice.Keep == "") == (choice.Value == nil):
		return decision{}, fmt.Errorf("want either a value to keep or another one: %w", ErrChoice)
	}
	t, err := targetOf(c)
	if err != nil {
		return decision{}, err
	}
	if c.Kind == LostEdit {
		return t.lost(c, choice)
	}
	if choice.Value != nil {
		return t.set(c, choice.Value)
	}
	side := slices.IndexFunc(c.Sides, func(v Value) bool { return v.Op == choice.Keep })
	if side < 0 {
		return decision{}, fmt.Errorf("%q isn't the op of one of its values: %w", clip(choice.Keep, 200), ErrChoice)
	}
	return t.keep(&c.Sides[side])
}

// target is the place that a decision is about.
type target struct {
	obj crdt.OpID
	key crdt.Key
}

func targetOf(c *Conflict) (t target, err error) {
	if t.obj, err = parseOp(c.Object); err != nil {
		return t, err
	}
	switch name := c.Key[1:]; c.Key[0] {
	case 'k':
		t.key = crdt.MapKey(name)
	case 'e':
		elem, err := parseOp(name)
		t.key = crdt.ElemKey(elem)
		return t, err
	default:
		return t, fmt.Errorf("the name of its field is too long: %w", ErrChoice)
	}
	return t, nil
}

// set decides for a value of its own.
func (t target) set(c *Conflict, raw json.RawMessage) (decision, error) {
	var value any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return decision{}, fmt.Errorf("the value isn't JSON: %w", ErrChoice)
	}
	if _, err := d.Token(); err != io.EOF {
		return decision{}, fmt.Errorf("there is text after the value: %w", ErrChoice)
	}
	// Strings stay what they were at this place: scalars, or texts that people edit
	// together.
	scalars := slices.ContainsFunc(c.Sides, func(v Value) bool {
		return v.Action == "set" && (strings.HasPrefix(string(v.Value), `"`) || v.Cut != "")
	})
	return decision{"set another value", func(tx *crdt.Tx, r hub.Reading) error {
		tx.ScalarStrings = scalars
		return t.write(tx, r, value)
	}}, nil
}

// write gives the place a value.
func (t target) write(tx *crdt.Tx, r hub.Reading, value any) (err error) {
	if !t.key.IsElem {
		_, err = tx.Set(t.obj, t.key.Name, value)
	} else if index, visible, ok := r.View.IndexOf(t.obj, t.key.Elem); !ok {
		err = fmt.Errorf("element %s is unknown", t.key.Elem)
	} else if visible {
		_, err = tx.SetIndex(t.obj, index, value)
	} else {
		err = tx.Insert(t.obj, index, value)
	}
	return choiceError(err)
}

// choiceError says that a decision can't be carried out.
func choiceError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%v: %w", err, ErrChoice)
}

// keep decides for one of the values.
func (t target) keep(v *Value) (decision, error) {
	op, err := parseOp(v.Op)
	if err != nil {
		return decision{}, err
	}
	change, err := crdt.ParseHash(v.Change)
	if err != nil {
		return decision{}, err
	}
	if v.Action == crdt.ActionDelete.String() {
		return decision{"keep the deletion by " + v.User, t.remove}, nil
	}
	return decision{"keep the value of " + v.User, func(tx *crdt.Tx, r hub.Reading) error {
		return t.bring(tx, r, op, v.Action == crdt.ActionIncrement.String(), []crdt.Hash{change})
	}}, nil
}

func (t target) remove(tx *crdt.Tx, r hub.Reading) error {
	if !t.key.IsElem {
		return choiceError(tx.Delete(t.obj, t.key.Name))
	}
	index, visible, ok := r.View.IndexOf(t.obj, t.key.Elem)
	if !ok || !visible {
		return nil
	}
	return choiceError(tx.DeleteRange(t.obj, index, 1))
}

// bring makes the place show what op wrote, as it is if it is still visible, else
// as it was at heads. Of an increment it is the counter that it counted.
func (t target) bring(tx *crdt.Tx, r hub.Reading, op crdt.OpID, increment bool, heads []crdt.Hash) error {
	then, err := r.At(heads)
	if err != nil {
		return err
	}
	shown := then.Conflicts(t.obj, t.key)
	if n := len(shown); increment && n > 0 {
		op = shown[n-1].ID
	}
	for _, item := range r.View.Conflicts(t.obj, t.key) {
		if item.ID == op {
			return choiceError(tx.Keep(t.obj, t.key, op))
		}
	}
	if n := len(shown); n > 0 && shown[n-1].ID == op {
		if path, ok := then.Path(t.obj, t.key); ok {
			return choiceError(tx.Revert(path, then))
		}
	}
	for w := range r.Content.Writes(t.obj, t.key, op.Counter) {
		if w.ID == op && w.Action == crdt.ActionSet {
			return t.write(tx, r, w.Value)
		}
	}
	return fmt.Errorf("the value isn't there any more: %w", ErrChoice)
}

// lost decides about an object that one side removed and the other edited.
func (t target) lost(c *Conflict, choice Choice) (decision, error) {
	if choice.Value != nil {
		return decision{}, fmt.Errorf("of a lost edit, the edits or the removal can be kept: %w", ErrChoice)
	}
	keep := choice.Keep
	if i := slices.IndexFunc(c.Sides, func(v Value) bool { return v.Op == keep }); i >= 0 {
		keep = KeepEdits
		if c.Sides[i].Removal {
			keep = KeepRemoval
		}
	}
	switch keep {
	case KeepRemoval:
		return decision{what: "keep the removal"}, nil
	case KeepEdits:
	default:
		return decision{}, fmt.Errorf("%q is neither %s nor %s: %w", clip(keep, 200), KeepEdits, KeepRemoval, ErrChoice)
	}
	if len(c.Root) != 1 {
		return decision{}, errMalformed
	}
	object, err := parseOp(c.Root[0])
	if err != nil {
		return decision{}, err
	}
	var heads []crdt.Hash
	for _, v := range c.Sides {
		if v.Removal {
			continue
		}
		h, err := crdt.ParseHash(v.Change)
		if err != nil {
			return decision{}, err
		}
		heads = append(heads, h)
	}
	return decision{"bring back what was edited", func(tx *crdt.Tx, r hub.Reading) error {
		return t.bring(tx, r, object, false, heads)
	}}, nil
}
