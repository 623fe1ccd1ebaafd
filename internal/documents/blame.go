package documents

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"concord/crdt"
	"concord/internal/id"
	"concord/store"
	"concord/sync/hub"
)

// Blamed is a value of a document, and who wrote it.
type Blamed struct {
	Path     string
	Index    int    // of a part of a text, in UTF-16 code units
	Length   int    // of it; 0: the value is no text
	Value    []byte // JSON; of an empty object {} or []
	Hash     crdt.Hash
	User     string
	Device   string
	Received time.Time
	Claimed  time.Time // zero: the change names none

	change int
}

// Blame is who wrote what of a state.
type Blame struct {
	Heads   []crdt.Hash
	Values  []Blamed // in the order of the document: keys sorted, texts in parts that were written in one change
	LeftOut bool     // there are more
}

// Blame says of each value of a document, or of a part of it, which change wrote
// it. limit bounds the values.
func (s *Service) Blame(ctx context.Context, c Caller, doc id.DocumentID, at At, path string, limit int) (Blame, error) {
	p, err := parsePointer(path)
	if err == nil {
		err = s.mayRead(ctx, c, doc)
	}
	if err != nil {
		return Blame{}, err
	}
	var b Blame
	err = s.read(ctx, c, doc, []At{at}, func(r hub.Reading, states []state) error {
		item, err := p.find(states[0].view)
		if err != nil {
			return err
		}
		w := blamer{graph: r.Graph, view: states[0].view, limit: limit, left: s.opts.MaxAnswer}
		if err := w.walk(p, item); err != nil {
			return err
		}
		b = Blame{Heads: states[0].heads, Values: w.found, LeftOut: w.leftOut}
		return nil
	})
	if err == nil {
		err = refused(doc, s.signBlame(ctx, c.key(doc), b.Values))
	}
	return b, err
}

// signBlame adds who made the changes, and when.
func (s *Service) signBlame(ctx context.Context, key store.DocKey, values []Blamed) error {
	wanted := make(map[int]bool)
	for _, v := range values {
		wanted[v.change] = true
	}
	indexes := slices.Sorted(maps.Keys(wanted))
	by, err := s.attributions(key, indexes)
	if err != nil {
		return err
	}
	said, err := s.claims(ctx, key, indexes)
	if err != nil {
		return err
	}
	for i := range values {
		v := &values[i]
		a := by[v.change]
		v.User, v.Device, v.Received, v.Claimed = a.User, a.Device, a.Received, claimedTime(said[v.change])
	}
	return nil
}

type blamer struct {
	graph   *crdt.Graph
	view    crdt.View
	limit   int
	left    int // bytes of the answer
	found   []Blamed
	leftOut bool
}

// walk looks at a value and everything in it.
func (w *blamer) walk(at pointer, item crdt.Item) error {
	if item.Kind == crdt.KindScalar || item.Kind == crdt.KindText {
		return w.value(at.String(), item)
	}
	prefix := []string{at.String()} // paths of the objects around
	for step := range w.view.Walk(item.ID) {
		if w.leftOut {
			return nil
		}
		if step.Leave {
			prefix = prefix[:len(prefix)-1]
			continue
		}
		path := prefix[len(prefix)-1]
		if step.Depth > 0 {
			token := strconv.Itoa(step.Index)
			if !step.Key.IsElem {
				token = escape.Replace(step.Key.Name)
			}
			path += "/" + token
		}
		if step.Item.Kind != crdt.KindScalar && step.Item.Kind != crdt.KindText {
			prefix = append(prefix, path)
			if w.view.Len(step.Item.ID) > 0 || step.Item.ID.IsZero() {
				continue
			}
		}
		if err := w.value(path, step.Item); err != nil {
			return err
		}
	}
	return nil
}

func (w *blamer) value(path string, item crdt.Item) error {
	if item.Kind == crdt.KindText && w.view.Len(item.ID) > 0 {
		return w.text(path, item.ID)
	}
	return w.add(item.ID, Blamed{Path: path, Value: appendItem(nil, w.view, item)})
}

// text looks at the parts of a text, each of which one change has written.
func (w *blamer) text(path string, text crdt.OpID) error {
	var part Blamed
	var s []byte
	var from crdt.OpID
	change := -1
	end := func() error {
		if change < 0 {
			return nil
		}
		part.Value = crdt.StringValue(string(s)).AppendJSON(nil)
		return w.add(from, part)
	}
	for e := range w.view.Elements(text, 0) {
		made, _ := w.graph.ChangeOf(e.Item.ID)
		if made != change {
			if err := end(); err != nil || w.leftOut {
				return err
			}
			part, s, from, change = Blamed{Path: path, Index: e.Index}, s[:0], e.Item.ID, made
		}
		part.Length += e.Width
		if e.Item.Kind == crdt.KindScalar && e.Item.Value.Code() == crdt.ValueString {
			s = append(s, e.Item.Value.Bytes()...)
		} else {
			s = append(s, "\ufffc"...)
		}
	}
	return end()
}

// add takes a value down, with the change that made an op.
func (w *blamer) add(op crdt.OpID, b Blamed) error {
	if len(w.found) == w.limit {
		w.leftOut = true
		return nil
	}
	change, ok := w.graph.ChangeOf(op)
	if !ok {
		return fmt.Errorf("no change made op %s", op)
	}
	const others = 300 // bytes of an entry but its path and value
	if w.left -= others + len(b.Path) + len(b.Value); w.left < 0 {
		return refuse(ErrTooLarge, "the values are too much for one answer; ask for a part of the document with path, or for fewer with limit")
	}
	b.change, b.Hash = change, w.graph.HashAt(change)
	w.found = append(w.found, b)
	return nil
}
