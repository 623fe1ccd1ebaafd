package crdt

// Diff is what applying a change did to a document.
type Diff struct{}

func (d *Diff) touchKey(s *OpSet, obj, entry uint32)            {}
func (d *Diff) touchElement(s *OpSet, obj uint32, elem lamport) {}
func (d *Diff) finish(s *OpSet)                                 {}
