package crdt

// Below returns a view of exactly the ops whose ids are lower than id. That need
// not be the state at any heads, but at one place, where ids are in the order of
// time, it tells what was there before an op.
func (s *OpSet) Below(id OpID) View {
	v := View{s: s, clock: make([]uint32, len(s.actors.ids)), top: id.Counter}
	for i, actor := range s.actors.ids {
		switch {
		case actor < id.Actor:
			v.clock[i] = id.Counter
		case id.Counter > 0:
			v.clock[i] = id.Counter - 1
		}
	}
	return v
}
