package crdt

import (
	"math"
	"slices"
)

// listStep is one difference between a list or text and what it was: an
// element with another value, or what stands between two that are in both.
type listStep struct {
	index int // where it is, visible, in the present
	need  revertNeed
	now   Item
	want  found

	extra   []extraElement
	missing []missingElement
}

// extraElement is a visible element that wasn't.
type extraElement struct {
	item  Item
	width int
}

// missingElement is an element that was visible and isn't.
type missingElement struct {
	id   lamport
	want found
}

// elements makes a list or text what it was, or, if only is given, that one
// element of it. It works from the end, so that indexes in front stay what they
// were.
func (r *reverter) elements(o *txObject, only *OpID) error {
	for _, step := range slices.Backward(r.compare(o, only)) {
		var err error
		if len(step.extra) > 0 || len(step.missing) > 0 {
			err = r.fillGap(o, &step)
		} else {
			err = r.element(o, &step)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// compare walks through the elements of the present and of the other view, which
// come in one order.
func (r *reverter) compare(o *txObject, only *OpID) []listStep {
	c := listComparison{r: r, only: only, then: r.to.reader(&r.tx.s.objects[o.index])}
	width := 0
	for f := range o.list.from(0) {
		width = f.start + f.width
		item, _ := winner(f.shown)
		c.pass(f.behind)
		switch kept := !r.tx.wrote(f.id) && c.advance(f.id); {
		case kept:
			c.endGap(f.start)
			if need := r.need(item, c.then.found); need != revertNothing && c.concerns(f.id) {
				c.steps = append(c.steps, listStep{index: f.start, need: need, now: item, want: c.then.found})
			}
		case c.concerns(f.id):
			c.gap.extra = append(c.gap.extra, extraElement{item, f.width})
			c.width += f.width
		default:
			c.endGap(f.start)
		}
	}
	c.advance(OpID{})
	c.endGap(width)
	return c.steps
}

// wrote reports whether an id is of an op of the transaction.
func (tx *Tx) wrote(id OpID) bool {
	return id.Actor == tx.meta.Actor && id.Counter >= tx.meta.StartOp
}

// listComparison collects the steps.
type listComparison struct {
	r     *reverter
	only  *OpID
	then  *elementReader
	met   int      // how many elements then went over
	gap   listStep // what was met since the last element that is in both
	width int      // of gap.extra
	steps []listStep
}

func (c *listComparison) concerns(id OpID) bool { return c.only == nil || *c.only == id }

// advance goes to an element in the other view, or to the end for the zero id,
// and reports whether it is visible there.
func (c *listComparison) advance(id OpID) bool {
	to, _ := c.r.tx.s.actors.lamport(id)
	for c.step() {
		if c.then.cursor.id == to {
			return c.visible()
		}
		c.miss()
	}
	return false
}

// pass goes over the first n elements, so that what is missing there comes before
// what the transaction put behind them.
func (c *listComparison) pass(n int) {
	for c.met < n && c.step() {
		c.miss()
	}
}

func (c *listComparison) step() bool {
	c.met++
	return c.then.step()
}

func (c *listComparison) visible() bool { return c.then.shown && c.then.end > c.then.start }

// miss notes the element in the other view as one that isn't there now.
func (c *listComparison) miss() {
	if at := c.then.cursor.id; c.visible() && c.concerns(c.r.tx.s.actors.opID(at)) {
		c.gap.missing = append(c.gap.missing, missingElement{at, c.then.found})
	}
}

// endGap is called where an index follows that isn't part of the gap.
func (c *listComparison) endGap(index int) {
	if len(c.gap.extra) > 0 || len(c.gap.missing) > 0 {
		c.gap.index = index - c.width
		c.steps = append(c.steps, c.gap)
	}
	c.gap, c.width = listStep{}, 0
}

// element gives an element that is in both its value.
func (r *reverter) element(o *txObject, step *listStep) error {
	switch {
	case step.need == revertInside:
		r.open = append(r.open, step.now.ID)
		return nil
	case step.need == revertCount && !o.list.text:
		return r.tx.IncrementIndex(o.id, step.index, step.want.value.Int()-step.now.Value.Int())
	}
	c := r.to.contentOf(step.want)
	id := r.tx.overwrite(o, o.list.find(step.index), c)
	return r.tx.fill(r.tx.made(id, c)...)
}

// fillGap makes the elements of a gap what they were. Those with the same
// content stay, as after an earlier Revert.
func (r *reverter) fillGap(o *txObject, step *listStep) error {
	starts := make([]int, 0, len(step.extra)+1)
	end := step.index
	for i := range step.extra {
		starts = append(starts, end)
		end += step.extra[i].width
	}
	starts = append(starts, end)
	for _, e := range slices.Backward(r.gapEdits(step)) {
		from := starts[e.aFrom]
		if err := r.tx.removeRange(o, from, starts[e.aTo]-from); err != nil {
			return err
		}
		if err := r.insertAgain(o, from, step.missing[e.bFrom:e.bTo]); err != nil {
			return err
		}
	}
	return nil
}

func (r *reverter) gapEdits(step *listStep) []edit {
	if len(step.extra) == 0 || len(step.missing) == 0 {
		return []edit{{0, len(step.extra), 0, len(step.missing)}}
	}
	if r.tokens == nil {
		r.tokens = make(map[string]uint32)
	}
	a, b := make([]uint32, len(step.extra)), make([]uint32, len(step.missing))
	for i := range step.missing {
		r.content = r.to.appendContent(r.content[:0], step.missing[i].want)
		b[i] = r.token(r.content)
	}
	for i := range step.extra {
		content, ok := r.appendNow(r.content[:0], step.extra[i].item)
		if r.content = content; ok {
			a[i] = r.token(content)
		} else {
			a[i] = math.MaxUint32 - uint32(i) // like nothing else
		}
	}
	return compareTokens(a, b)
}

func (r *reverter) token(content []byte) uint32 {
	n, ok := r.tokens[string(content)]
	if !ok {
		n = uint32(len(r.tokens))
		r.tokens[string(content)] = n
	}
	return n
}

// insertAgain inserts elements that were deleted, behind the place of the first:
// what others insert at either end of them at the same time stays there.
func (r *reverter) insertAgain(o *txObject, index int, missing []missingElement) error {
	if len(missing) == 0 {
		return nil
	}
	contents := make([]content, len(missing))
	for i := range missing {
		contents[i] = r.to.contentOf(missing[i].want)
	}
	made, err := r.tx.insertContents(o, o.list.oldPlace(index, missing[0].id), contents)
	if err != nil {
		return err
	}
	return r.tx.fill(made...)
}

// oldPlace returns where to insert at an index: right behind an invisible element
// of the op set's list, if nothing visible stands between.
func (l *txList) oldPlace(index int, elem lamport) anchor {
	rank := l.base.rank(elem)
	start := l.behind(index)
	for at := start.position; at.block < len(l.blocks); at = (position{block: at.block + 1}) {
		pieces := l.blocks[at.block].pieces
		for ; at.piece < len(pieces); at = (position{at.block, at.piece + 1, 0}) {
			p := &pieces[at.piece]
			if p.own != nil {
				if slices.ContainsFunc(p.own[at.off:], func(e txElement) bool { return e.width > 0 }) {
					return l.anchor(index)
				}
				continue
			}
			from := p.from + at.off
			if rank < from || p.width > 0 && l.base.widthBefore(min(rank+1, p.to)) > l.base.widthBefore(from) {
				return l.anchor(index)
			}
			if rank < p.to {
				return anchor{position{at.block, at.piece, rank + 1 - p.from}, l.tx.s.actors.opID(elem)}
			}
		}
	}
	return l.anchor(index)
}
