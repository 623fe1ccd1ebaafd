package crdt

import "slices"

// span is a run of elements that stand next to each other, whose ids are
// consecutive ones of one actor, each inserted after the one before. The
// elements are simple ones: set ops with at most one successor, a deletion. The
// successors of a span are consecutive, equal or descending, or there are none.
// A complex element, with any other rows, is a span of its own.
type span struct {
	first   lamport // id of the first element
	ref     lamport // element that it was inserted after
	succ    lamport // deletion of the first element, 0 = all are visible; complex: handle of the cell
	data    []byte  // values of simple elements, see appendItem; owned
	width   uint32  // visible width of all elements
	leaf    uint32  // leaf that holds the span
	next    uint32  // next span of the same block of ids; of unused spans: next unused
	count   uint8   // elements; 0 = unused
	step    int8    // from each deletion's counter to the next one's: -1, 0 or 1
	complex bool
}

const (
	idBlockBits = 6
	idBlock     = 1 << idBlockBits // no span crosses a multiple of it in its counters

	maxSpanData = 1 << 10 // bytes of data in a span of several elements, so that copies stay cheap
)

func (p *span) id(i int) lamport { return p.first.plus(i) }

func (p *span) last() lamport { return p.first.plus(int(p.count) - 1) }

// refOf returns the element that element i was inserted after.
func (p *span) refOf(i int) lamport {
	if i == 0 {
		return p.ref
	}
	return p.first.plus(i - 1)
}

// succOf returns the deletion of simple element i, 0 for none.
func (p *span) succOf(i int) lamport {
	if p.succ == 0 {
		return 0
	}
	return p.succ.plus(i * int(p.step))
}

// find returns which element of the span has an id, -1 for none.
func (p *span) find(id lamport) int {
	i := uint64(id-p.first) >> 32
	if id.actor() != p.first.actor() || id < p.first || i >= uint64(p.count) {
		return -1
	}
	return int(i)
}

// joins reports whether the elements of n, which stands or would stand directly
// after p, can become elements of p, and the step of the joint successors.
func (p *span) joins(n *span) (step int8, ok bool) {
	if p.complex || n.complex || n.ref != p.last() || n.first != n.ref.plus(1) ||
		n.first.counter()%idBlock == 0 || len(p.data)+len(n.data) > maxSpanData {
		return 0, false
	}
	if p.succ == 0 || n.succ == 0 {
		return 0, p.succ == n.succ
	}
	last := p.succOf(int(p.count) - 1)
	for step := int8(-1); step <= 1; step++ {
		if last.plus(int(step)) == n.succ && (p.count == 1 || p.step == step) && (n.count == 1 || n.step == step) {
			return step, true
		}
	}
	return 0, false
}

// appendItem appends the value of an element: its type and length as the format
// packs them, and its payload.
func appendItem(b []byte, v Value) []byte {
	if v.raw != nil {
		b = appendUleb(b, uint64(len(v.raw))<<4|uint64(v.code))
		return append(b, v.raw...)
	}
	var buf [maxLEBBytes]byte
	payload := v.appendPayload(buf[:0])
	b = appendUleb(b, uint64(len(payload))<<4|uint64(v.code))
	return append(b, payload...)
}

// item is one value in the data of a span.
type item struct {
	code     ValueCode
	from, to int // the payload; the next item starts at to
}

// asciiItem is the head of a string of one byte.
const asciiItem = 1<<4 | byte(ValueString)

// itemAt reads the head of the item at an offset.
func itemAt(data []byte, at int) item {
	if head := data[at]; head < 0x80 {
		return item{ValueCode(head & 15), at + 1, at + 1 + int(head>>4)}
	}
	return longItemAt(data, at)
}

func longItemAt(data []byte, at int) item {
	head, n, _ := readUleb(data[at:])
	return item{ValueCode(head & 15), at + n, at + n + int(head>>4)}
}

// value decodes the item; bytes of strings and the like alias data.
func (m item) value(data []byte) Value {
	payload := data[m.from:m.to:m.to]
	if m.code == ValueString {
		return Value{code: m.code, raw: payload}
	}
	v, _ := decodeValue(m.code, payload)
	return v
}

// width returns the room that the item takes in the index when it is visible.
func (m item) width(data []byte, text bool) int {
	switch {
	case !text || m.code != ValueString:
		return 1
	case m.to == m.from+1:
		return 1
	}
	return utf16Len(data[m.from:m.to])
}

// skip returns where item i of the span begins and the width of the items
// before it, were they visible.
func (p *span) skip(i int, text bool) (at, width int) {
	for range i {
		if p.data[at] == asciiItem {
			at += 2
			width++
			continue
		}
		m := itemAt(p.data, at)
		at = m.to
		width += m.width(p.data, text)
	}
	return at, width
}

// setData replaces the data of a span.
func (q *sequence) setData(p *span, data []byte) {
	q.bytes += cap(data) - cap(p.data)
	p.data = data
}

// newSpan stores a span that has no place yet, with a copy of its data.
func (q *sequence) newSpan(n span) uint32 {
	h := q.unused
	if h != 0 {
		q.unused = q.spans.at(h).next
	} else {
		h = q.spans.add()
	}
	n.data = slices.Clone(n.data)
	q.bytes += cap(n.data)
	*q.spans.at(h) = n
	q.link(h)
	return h
}

// drop forgets a span that has no place any more.
func (q *sequence) drop(h uint32) {
	q.unlink(h)
	p := q.spans.at(h)
	q.setData(p, nil)
	*p = span{next: q.unused}
	q.unused = h
}

// split cuts a span in two before element i and returns the second one.
func (q *sequence) split(t *actorTable, h uint32, i int) uint32 {
	p := q.spans.at(h)
	at, width := p.skip(i, q.text)
	if p.succ != 0 {
		width = 0
	}
	right := q.newSpan(span{
		first: p.id(i), ref: p.refOf(i), succ: p.succOf(i), step: p.step,
		data: p.data[at:], count: p.count - uint8(i), width: p.width - uint32(width),
	})
	p = q.spans.at(h)
	p.count, p.width = uint8(i), uint32(width)
	if cap(p.data) > 2*at+16 {
		q.setData(p, slices.Clone(p.data[:at]))
	} else {
		p.data = p.data[:at]
	}
	q.place(t, p.leaf, q.slot(h)+1, right)
	return right
}

// isolate makes element i of a span a span of its own.
func (q *sequence) isolate(t *actorTable, h uint32, i int) uint32 {
	if i > 0 {
		h = q.split(t, h, i)
	}
	if q.spans.at(h).count > 1 {
		q.split(t, h, 1)
	}
	return h
}

// extend gives span h the elements of n, which joins it with the given step.
// The caller accounts for them in the tree.
func (q *sequence) extend(h uint32, n *span, step int8) {
	p := q.spans.at(h)
	q.setData(p, append(p.data, n.data...))
	p.count += n.count
	p.width += n.width
	p.step = step
}

// rejoin merges span h with its neighbours, where they join.
func (q *sequence) rejoin(t *actorTable, h uint32) {
	if before := q.before(h); before != 0 && q.merge(t, before, h) {
		h = before
	}
	if after := q.after(h); after != 0 {
		q.merge(t, h, after)
	}
}

// merge moves the elements of span next to span h, which it follows, if it can.
func (q *sequence) merge(t *actorTable, h, next uint32) bool {
	p, n := q.spans.at(h), q.spans.at(next)
	step, ok := p.joins(n)
	if !ok {
		return false
	}
	q.extend(h, n, step)
	q.displace(next)
	if p.leaf != n.leaf {
		q.retally(t, p.leaf)
		q.retally(t, n.leaf)
	}
	q.drop(next)
	return true
}
