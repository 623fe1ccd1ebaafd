package crdt

// With returns a view of what v shows and of a change that has been applied, all
// of whose dependencies v covers. It costs less than a view at a clock.
func (v View) With(c *Change) View {
	if v.clock == nil {
		return v
	}
	clock := make([]uint32, len(v.s.actors.ids))
	copy(clock, v.clock)
	if i, ok := v.s.actors.find(c.Actor); ok {
		clock[i] = c.MaxOp()
		v.top = max(v.top, c.MaxOp())
	}
	v.clock = clock
	return v
}
