package documents

import (
	"context"

	"concord/crdt"
	"concord/internal/id"
	"concord/sync/hub"
)

// Difference is an edit that leads from one state to another.
type Difference struct {
	Path   string // where it is afterwards; of a splice or mark, the text
	Action string // put, insert, delete, increment, splice, mark
	Index  int    // of a splice or mark, in UTF-16 code units
	Length int    // of a mark
	Name   string // of a mark
	// Before and After are JSON; nil where there is no value. Of a splice, the characters removed and put in their place;
	// of a mark, its value.
	Before, After []byte
}

// Diff is what lies between two states. The differences can be performed one
// after the other: each path counts what those before have left behind. In JSON,
// a text has U+FFFC for each block marker; a path that leads into a text, such as
// /note/3/type, is of one, and its difference isn't to be seen in the JSON.
type Diff struct {
	From, To    []crdt.Hash
	Differences []Difference
}

// Diff compares two states of a document, which may be concurrent.
func (s *Service) Diff(ctx context.Context, c Caller, doc id.DocumentID, from, to At) (Diff, error) {
	if err := s.mayRead(ctx, c, doc); err != nil {
		return Diff{}, err
	}
	var diff Diff
	err := s.read(ctx, c, doc, []At{from, to}, func(_ hub.Reading, states []state) error {
		diff.From, diff.To = states[0].heads, states[1].heads
		d := differ{before: states[0].view, after: states[1].view, left: s.opts.MaxAnswer}
		d.diff = crdt.Between(d.before, d.after)
		for i := range d.diff.Edits {
			if err := d.add(&d.diff.Edits[i]); err != nil {
				return err
			}
		}
		diff.Differences = d.found
		return nil
	})
	return diff, err
}

type differ struct {
	before, after crdt.View
	diff          *crdt.Diff
	found         []Difference
	left          int // bytes of the answer
}

func (d *differ) add(e *crdt.Edit) error {
	if e.Action == crdt.EditConflict || !d.diff.WasShown(e) || d.diff.Reach(e) != crdt.Shown {
		return nil // not to be seen, or another edit brings or takes the whole object
	}
	out := Difference{Action: e.Action.String()}
	var ok bool
	switch {
	case e.Action == crdt.EditMark:
		out.Path, ok = d.after.PathOf(e.Object)
		out.Index, out.Length, out.Name = e.Mark.Start, e.Mark.End-e.Mark.Start, e.Mark.Name
		out.After = e.Mark.Value.AppendJSON(nil)
	case e.Kind == crdt.KindText:
		out.Path, ok = d.after.PathOf(e.Object)
		out.Action, out.Index = crdt.EditSplice.String(), e.Index
		out.Before = crdt.StringValue(e.Deleted).AppendJSON(nil)
		out.After = crdt.StringValue(e.Inserted).AppendJSON(nil)
		ok = ok && e.Deleted != e.Inserted
	default:
		out.Path, ok = d.diff.Path(e)
		out.Before, out.After = shown(d.before, e.Before), shown(d.after, e.After)
	}
	if !ok {
		return nil
	}
	d.found = append(d.found, out)
	const others = 100 // bytes of an entry but its path and values
	if d.left -= others + len(out.Path) + len(out.Before) + len(out.After); d.left < 0 {
		return refuse(ErrTooLarge, "the states differ too much for one answer; compare states that are closer to each other")
	}
	return nil
}

// shown returns the value that a place shows, as JSON.
func shown(v crdt.View, values []crdt.Item) []byte {
	if len(values) == 0 {
		return nil
	}
	return appendItem(nil, v, values[len(values)-1])
}
