package crdt

// appendContent appends a description of a value and of all that is in it:
// equal bytes mean equal types, values and marks. Objects stand behind what was
// met before them, so that nothing is nested.
func (v View) appendContent(b []byte, f found) []byte {
	var open []uint32
	item := func(f found) {
		b = append(b, byte(f.action))
		if f.action == ActionSet {
			b = appendItem(b, f.value)
		} else {
			obj, _ := v.s.object(f.id)
			open = append(open, obj)
		}
	}
	item(f)
	const more, end = 1, 0
	for at := 0; at < len(open); at++ {
		o := &v.s.objects[open[at]]
		if o.list == nil {
			for _, ref := range v.appendEntries(nil, open[at]) {
				e := &v.s.entries[ref.entry]
				b = append(appendUleb(append(b, more), uint64(e.length)), v.s.keyOf(e)...)
				f, _ := v.winner(&e.cell)
				item(f)
			}
		} else {
			for r := v.reader(o); r.next(); {
				if r.end > r.start {
					b = append(b, more)
					item(r.found)
				}
			}
		}
		b = append(b, end)
		for _, m := range v.Marks(v.s.actors.opID(o.id)) {
			b = append(appendUleb(append(b, more), uint64(len(m.Name))), m.Name...)
			b = appendUleb(appendUleb(appendItem(b, m.Value), uint64(m.Start)), uint64(m.End))
		}
		b = append(b, end)
	}
	return b
}
