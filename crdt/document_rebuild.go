package crdt

import (
	"crypto/sha256"
	"slices"
)

// rebuilder turns the rows of a document back into changes and proves its heads.
type rebuilder struct {
	doc     *DocumentChunk
	table   opTable
	objects blocks[docObject]
	actors  []actorState
	hashes  blocks[Hash]
	inner   []uint64 // bit set of the changes that others depend on
	ops     []changeOp
	change  DocumentChange
	encoder changeEncoder
}

// actorState is how far the changes of one actor have been rebuilt.
type actorState struct {
	rows  []uint32 // of opTable.byID, not taken yet
	succs []uint32 // of opTable.bySucc, not taken yet
	seq   uint32
	maxOp uint32
}

// changeOp is an op of the change that is being rebuilt.
type changeOp struct {
	documentOp
	row   uint32   // position of the row; of a deletion, of one that it deletes
	preds []uint32 // of opTable.bySucc
}

// rebuild reads all rows and rebuilds all changes. Both hooks may be nil; row
// sees each row in order, before any change.
func (d *DocumentChunk) rebuild(row func(*docRow) error, visit func(DocumentChange) error) error {
	b := rebuilder{doc: d}
	if err := b.readRows(row); err != nil {
		return err
	}
	if err := b.checkObjects(); err != nil {
		return err
	}
	b.actors = make([]actorState, len(d.Actors))
	for i := range b.actors {
		b.actors[i].rows, b.actors[i].succs = b.table.of(uint32(i))
	}
	b.inner = make([]uint64, (d.NumChanges+63)/64)
	b.hashes.hint = d.NumChanges
	b.encoder.init(&b)
	if err := b.rebuildChanges(visit); err != nil {
		return err
	}
	return b.checkHeads()
}

func (b *rebuilder) readRows(visit func(*docRow) error) error {
	b.table.rows.hint, b.table.succs.hint = b.doc.NumRows, b.doc.numSuccs
	var r rowReader
	r.init(b.doc)
	for {
		ok, err := r.next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		b.table.add(&r, b.doc)
		if visit == nil {
			continue
		}
		if err := visit(&r.row); err != nil {
			return err
		}
	}
	b.objects = r.order.objects
	return b.table.index(len(b.doc.Actors))
}

// checkObjects checks that every object that has rows is made by one, as what
// its rows take it for.
func (b *rebuilder) checkObjects() error {
	for i := range b.objects.len() {
		o := b.objects.at(i)
		if o.id == 0 {
			continue
		}
		at, ok := b.table.find(o.id)
		if !ok {
			return refuse(ReasonBadOp, "object %d doesn't exist", o.id.counter())
		}
		switch action := b.table.rows.at(int(at)).action; {
		case action == ActionMakeMap && !o.isList:
		case action == ActionMakeText && o.isList && !o.counts:
		case action == ActionMakeList && o.isList && !o.marked:
		default:
			return refuse(ReasonBadOp, "object %d, made by %s, holds rows that don't fit it", o.id.counter(), action)
		}
	}
	return nil
}

func (b *rebuilder) rebuildChanges(visit func(DocumentChange) error) error {
	var r changeReader
	r.init(b.doc)
	for i := range b.doc.NumChanges {
		if err := r.next(); err != nil {
			return err
		}
		if err := b.rebuildChange(&r.row); err != nil {
			return err
		}
		for _, dep := range r.row.deps {
			b.inner[dep/64] |= 1 << (dep % 64)
		}
		*b.hashes.add() = b.change.Hash
		b.change.Row = i
		if visit == nil {
			continue
		}
		if err := visit(b.change); err != nil {
			return err
		}
	}
	for i := range b.actors {
		if a := &b.actors[i]; len(a.rows) > 0 || len(a.succs) > 0 {
			return refuse(ReasonBadDocument, "ops of actor %s belong to no change", b.doc.Actors[i])
		}
	}
	return r.end()
}

// rebuildChange rebuilds and hashes one change into b.change.
func (b *rebuilder) rebuildChange(row *changeRow) error {
	a := &b.actors[row.actor]
	if uint64(row.seq) != uint64(a.seq)+1 {
		return refuse(ReasonBadDocument, "change with seq %d after %d", row.seq, a.seq)
	}
	if err := b.takeOps(row); err != nil {
		return err
	}
	startOp := uint64(row.maxOp) + 1 - uint64(len(b.ops))
	if startOp > 1<<32-1 {
		return refuse(ReasonLimit, "startOp is above 2^32-1")
	}
	for i := range b.ops {
		if err := b.checkReferences(&b.ops[i], uint32(startOp), row.maxOp); err != nil {
			return err
		}
	}
	a.seq, a.maxOp = row.seq, row.maxOp
	c := &b.change
	c.Actor, c.Seq, c.StartOp, c.NumOps = b.doc.Actors[row.actor], row.seq, uint32(startOp), len(b.ops)
	c.Time, c.Message, c.Extra = row.time, row.message, row.extra
	c.Deps, c.deps = c.Deps[:0], row.deps
	for _, dep := range row.deps {
		c.Deps = append(c.Deps, *b.hashes.at(int(dep)))
	}
	b.encoder.encode(row.actor, c)
	if size := len(c.Raw); size > b.doc.limits.ChunkBytes {
		return refuse(ReasonLimit, "change of %d bytes, allowed are %d", size, b.doc.limits.ChunkBytes)
	}
	c.Hash = sha256.Sum256(c.Raw[hashedFrom:])
	copy(c.Raw[4:hashedFrom], c.Hash[:])
	return nil
}

// takeOps moves the ops of one change to b.ops: those of its actor up to maxOp
// that no change has taken. Their counters must be consecutive.
func (b *rebuilder) takeOps(row *changeRow) error {
	a := &b.actors[row.actor]
	b.ops = b.ops[:0]
	if first := a.nextCounter(&b.table); first <= uint64(row.maxOp) {
		most := min(uint64(row.maxOp)-first+1, uint64(len(a.rows)+len(a.succs)), uint64(b.doc.limits.Ops))
		b.ops = slices.Grow(b.ops, int(most))
	}
	preds := 0
	for {
		counter := a.nextCounter(&b.table)
		if counter > uint64(row.maxOp) {
			break
		}
		if n := len(b.ops); n > 0 && counter != uint64(b.ops[n-1].id.counter())+1 {
			return refuse(ReasonBadDocument, "op %d is missing", b.ops[n-1].id.counter()+1)
		}
		op, err := a.take(&b.table, newLamport(uint32(counter), row.actor))
		if err != nil {
			return err
		}
		preds += len(op.preds)
		if len(b.ops) == b.doc.limits.Ops || preds > predsPerOp*b.doc.limits.Ops {
			return refuse(ReasonLimit, "more than %d ops in a change, or %d preds", b.doc.limits.Ops, predsPerOp*b.doc.limits.Ops)
		}
		b.ops = append(b.ops, op)
	}
	if n := len(b.ops); n > 0 && b.ops[n-1].id.counter() != row.maxOp {
		return refuse(ReasonBadDocument, "change up to op %d has none after %d", row.maxOp, b.ops[n-1].id.counter())
	}
	return nil
}

// nextCounter returns the counter of the actor's next op, one above all if
// there is none.
func (a *actorState) nextCounter(t *opTable) uint64 {
	counter := uint64(1) << 32
	if len(a.rows) > 0 {
		counter = uint64(t.rows.at(int(a.rows[0])).id.counter())
	}
	if len(a.succs) > 0 {
		counter = min(counter, uint64(t.succs.at(int(a.succs[0])).succ.counter()))
	}
	return counter
}

// take takes the actor's next op. One without a row is a deletion.
func (a *actorState) take(t *opTable, id lamport) (op changeOp, err error) {
	n := 0
	for n < len(a.succs) && t.succs.at(int(a.succs[n])).succ == id {
		n++
	}
	op.preds, a.succs = a.succs[:n], a.succs[n:]
	if len(a.rows) > 0 && t.rows.at(int(a.rows[0])).id == id {
		op.row, a.rows = a.rows[0], a.rows[1:]
		op.documentOp = *t.rows.at(int(op.row))
		if op.action == ActionMark && !op.is(opIsNamed) && !t.beginsBefore(op.row) {
			return op, refuse(ReasonBadOp, "op %d ends a mark that doesn't begin before it in the same text", id.counter())
		}
	} else {
		op.row = t.succs.at(int(op.preds[0])).row
		deleted := t.rows.at(int(op.row))
		op.documentOp = documentOp{id: id, key: deleted.target(), object: deleted.object, action: ActionDelete, flags: deleted.flags & opIsElem}
	}
	for _, pred := range op.preds {
		row := t.rows.at(int(t.succs.at(int(pred)).row))
		if row.object != op.object || row.target() != op.target() {
			return op, refuse(ReasonBadPred, "op %d overwrites op %d, which isn't a value of the same key or element", id.counter(), row.id.counter())
		}
	}
	return op, nil
}

// checkReferences checks that what an op refers to belongs to its own change or
// to changes that stand before it.
func (b *rebuilder) checkReferences(op *changeOp, startOp, maxOp uint32) error {
	counter := op.id.counter()
	if obj := b.objects.at(int(op.object)).id; obj != 0 {
		if obj == op.id || obj.counter() > maxOp || b.unknown(op, obj, startOp) {
			return refuse(ReasonBadOp, "object %d can't exist when op %d is applied", obj.counter(), counter)
		}
	}
	if elem := lamport(op.key); op.is(opIsElem) && elem != 0 && b.unknown(op, elem, startOp) {
		return refuse(ReasonBadOp, "element %d can't exist when op %d is applied", elem.counter(), counter)
	}
	for _, pred := range op.preds {
		if id := b.pred(pred); b.unknown(op, id, startOp) {
			return refuse(ReasonBadPred, "pred %d can't exist when op %d is applied", id.counter(), counter)
		}
	}
	return nil
}

// unknown reports whether another actor's op can't be an ancestor of op.
func (b *rebuilder) unknown(op *changeOp, id lamport, startOp uint32) bool {
	return id.actor() != op.id.actor() && (id.counter() >= startOp || id.counter() > b.actors[id.actor()].maxOp)
}

func (b *rebuilder) pred(at uint32) lamport {
	return b.table.rows.at(int(b.table.succs.at(int(at)).row)).id
}

// checkHeads compares the heads of the rebuilt changes with those stored.
func (b *rebuilder) checkHeads() error {
	heads := 0
	for i := range b.doc.NumChanges {
		if b.inner[i/64]&(1<<(i%64)) != 0 {
			continue
		}
		heads++
		if _, ok := slices.BinarySearchFunc(b.doc.Heads, *b.hashes.at(i), Hash.Compare); !ok {
			return refuse(ReasonBadDocument, "the changes don't give the stored heads")
		}
	}
	if heads != len(b.doc.Heads) || !slices.IsSortedFunc(b.doc.Heads, Hash.Compare) {
		return refuse(ReasonBadDocument, "%d stored heads, the changes have %d", len(b.doc.Heads), heads)
	}
	return nil
}
