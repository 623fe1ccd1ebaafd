package crdt

// EditAction is what an Edit did.
type EditAction uint8

// Actions of edits.
const (
	EditPut       EditAction = iota // a place got another value, or a map key its first one
	EditInsert                      // an element became visible
	EditDelete                      // a place lost all its values
	EditIncrement                   // the value is the same counter with another count
	EditConflict                    // the value is the same, but others that it wins over came, went or changed
	EditSplice                      // strings in a text were replaced
	EditMark                        // a mark was put on a text
)

// String returns the action in lower case.
func (a EditAction) String() string {
	return [...]string{"put", "insert", "delete", "increment", "conflict", "splice", "mark"}[a]
}

// Edit is a difference at one place: a map key, a list element, a part of a text.
type Edit struct {
	Action EditAction
	Object OpID // the map, list or text; zero = root
	Kind   Kind // of the object
	Key    Key  // of a splice: the first element; of a mark: its begin
	Index  int  // in a list or text, afterwards: UTF-16 code units in a text

	// Values of a key or element, ascending by id: the last one is the one that
	// the document shows, the others were written concurrently. Where there are
	// more than 256 these are the last ones, but the counts are right. Objects
	// have no contents here: View reads them, also those that are gone. Splices
	// and marks have no values.
	Before, After           []Item
	BeforeCount, AfterCount int

	// Of every edit in a text but marks: what stood at Index before, and what
	// stands there afterwards; U+FFFC for what isn't a string.
	Deleted, Inserted string

	Mark Mark // of a mark: name, value (null removes others) and range; a range may be empty
}

// Increment returns how much an EditIncrement added; it wraps like the counter.
func (e *Edit) Increment() int64 {
	if e.Action != EditIncrement {
		return 0
	}
	return e.After[len(e.After)-1].Value.Int() - e.Before[len(e.Before)-1].Value.Int()
}

// action returns what happened to a place, false for nothing.
func (t *touch) action(inMap bool) (EditAction, bool) {
	switch {
	case len(t.before) == 0 && len(t.after) == 0:
		return 0, false
	case len(t.after) == 0:
		return EditDelete, true
	case len(t.before) == 0 && !inMap:
		return EditInsert, true
	case len(t.before) == 0:
		return EditPut, true
	}
	before, after := &t.before[len(t.before)-1], &t.after[len(t.after)-1]
	switch {
	case before.id != after.id:
		return EditPut, true
	case before.value.num != after.value.num:
		return EditIncrement, true
	case t.beforeCount != t.afterCount:
		return EditConflict, true
	}
	for i := range t.before {
		if t.before[i].id != t.after[i].id || t.before[i].value.num != t.after[i].value.num {
			return EditConflict, true
		}
	}
	return 0, false
}

func (d *Diff) addKey(t *touch) {
	if action, ok := t.action(true); ok {
		e := d.edit(t, action)
		s := d.after.s
		e.Key = MapKey(string(s.keyOf(&s.entries[t.entry])))
	}
}

// addElement adds what happened to an element, which is e afterwards.
func (d *Diff) addElement(t *touch, e *element) {
	s := d.after.s
	if r := d.after.markRow(e); r != nil && !t.existed {
		begin := r.id
		if !r.has(rowNamed) {
			begin = begin.plus(-1)
		}
		d.marks = append(d.marks, begin)
	}
	text := s.objects[t.obj].kind == ActionMakeText
	if text && t.isPlain() {
		d.addText(t)
		return
	}
	if action, ok := t.action(false); ok {
		d.flushText(t.obj)
		edit := d.edit(t, action)
		edit.Key, edit.Index = ElemKey(s.actors.opID(t.elem)), t.index
		if text {
			edit.Deleted, edit.Inserted = string(shownText(t.before)), string(shownText(t.after))
		}
	}
}

// edit adds an edit of a place with its values.
func (d *Diff) edit(t *touch, action EditAction) *Edit {
	o := &d.after.s.objects[t.obj]
	d.Edits = append(d.Edits, Edit{
		Action: action, Object: d.after.s.actors.opID(o.id), Kind: o.kind.kind(),
		Before: d.itemsOf(t.before), BeforeCount: t.beforeCount,
		After: d.itemsOf(t.after), AfterCount: t.afterCount,
	})
	return &d.Edits[len(d.Edits)-1]
}

func (d *Diff) itemsOf(values []found) []Item {
	if len(values) == 0 {
		return nil
	}
	from := len(d.items)
	for _, f := range values {
		d.items = append(d.items, d.after.item(f))
	}
	return d.items[from:len(d.items):len(d.items)]
}

// textRun is the splice that is being put together.
type textRun struct {
	first             lamport // element; 0 for no splice
	index, end        int     // code units before the run, and behind what was inserted
	deleted, inserted []byte
}

// isPlain reports whether an element of a text was and is at most one string.
func (t *touch) isPlain() bool {
	return t.beforeCount <= 1 && t.afterCount <= 1 && allStrings(t.before) && allStrings(t.after)
}

func allStrings(values []found) bool {
	for i := range values {
		if values[i].action != ActionSet || values[i].value.code != ValueString {
			return false
		}
	}
	return true
}

// shownText returns what the winner of values contributes to a text.
func shownText(values []found) []byte {
	if len(values) == 0 {
		return nil
	}
	return values[len(values)-1].text()
}

// addText adds a plain element to the run that ends where it stands, or begins one.
func (d *Diff) addText(t *touch) {
	if _, ok := t.action(false); !ok {
		return
	}
	r := &d.run
	if r.first == 0 || r.end != t.index {
		d.flushText(t.obj)
		r.first, r.index, r.end = t.elem, t.index, t.index
	}
	r.deleted = append(r.deleted, shownText(t.before)...)
	inserted := shownText(t.after)
	r.inserted = append(r.inserted, inserted...)
	r.end += utf16Len(inserted)
}

func (d *Diff) flushText(obj uint32) {
	r := &d.run
	if r.first == 0 {
		return
	}
	s := d.after.s
	if len(r.deleted) > 0 || len(r.inserted) > 0 {
		d.Edits = append(d.Edits, Edit{
			Action: EditSplice, Object: s.actors.opID(s.objects[obj].id), Kind: KindText,
			Key: ElemKey(s.actors.opID(r.first)), Index: r.index,
			Deleted: string(r.deleted), Inserted: string(r.inserted),
		})
	}
	*r = textRun{deleted: r.deleted[:0], inserted: r.inserted[:0]}
}
