package crdt

import (
	"fmt"
	"io"
	"math"
	"slices"
)

// actorBytes is the length of the actors that automerge-js draws.
const actorBytes = 16

// NewActor draws a random actor ID of 16 bytes, normally from crypto/rand. An
// actor must never be used again after changes that it made were lost, so take
// a new one for each document and each start of a process.
func NewActor(rand io.Reader) (ActorID, error) {
	var b [actorBytes]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return "", fmt.Errorf("draw actor: %w", err)
	}
	return ActorID(b[:]), nil
}

// Root is the object that every document has: a map.
var Root = OpID{}

// Tx collects the ops of one change. Its methods read the document as it was
// when the change was begun, with the change's own writes over it. Indexes
// count elements in lists and UTF-16 code units in texts, as automerge-js does.
//
// Nothing reaches the document before the whole change is complete. A Tx is
// valid during the function that it is given to, and is not safe for concurrent
// use.
type Tx struct {
	// ScalarStrings makes Go strings scalar strings, which are replaced as a whole,
	// instead of texts. automerge-js 3 shows scalar strings as ImmutableString.
	ScalarStrings bool

	// ReplaceShortTexts lets Update replace a text as a whole, marks included, when
	// the old or the new one is short: at most ShortText characters and no line
	// break or block. A name or a status that two people set at once is then a
	// conflict, as with automerge-js's assignment, and no mixture of letters.
	ReplaceShortTexts bool

	s       *OpSet
	meta    ChangeMeta
	ops     []Op
	objects map[OpID]*txObject
	broken  error // of a write that stopped half-way: the change can't be made
}

// txObject is an object with what the transaction wrote to it.
type txObject struct {
	id    OpID
	kind  Action
	own   bool              // made by the transaction
	index uint32            // in OpSet.objects, if it isn't
	keys  map[string][]Item // of a map: the visible values of the keys that were written
	list  *txList           // of a list or text, once it was asked for
}

// Compose lets fn write a change that follows the document as it stands, and
// returns it encoded; nil if fn wrote nothing. The document isn't changed: pass
// the change to Apply. meta names author and place: deps are the heads of what
// has been applied, seq and startOp come after them.
//
// fn's error is returned as it is; any other error is a *RefusalError or says
// which limit of Limits the change would break.
func (s *OpSet) Compose(meta ChangeMeta, fn func(*Tx) error) (*Change, error) {
	tx := Tx{s: s, meta: meta}
	if err := fn(&tx); err != nil {
		return nil, err
	}
	if tx.broken != nil {
		return nil, tx.broken
	}
	if len(tx.ops) == 0 {
		return nil, nil
	}
	return EncodeChange(meta, tx.ops)
}

// add appends an op and returns its id. Past a limit, the transaction is broken
// and the op isn't written.
func (tx *Tx) add(op Op) OpID {
	op.ID = OpID{tx.meta.StartOp + uint32(len(tx.ops)), tx.meta.Actor}
	switch {
	case tx.broken != nil:
	case len(tx.ops) >= DefaultOps:
		tx.broken = refuse(ReasonLimit, "one change can't have more than %d ops", DefaultOps)
	case uint64(tx.meta.StartOp)+uint64(len(tx.ops)) > math.MaxUint32:
		tx.broken = refuse(ReasonLimit, "op counters end at 2^32-1")
	default:
		tx.ops = append(tx.ops, op)
	}
	return op.ID
}

// object returns an object for reading and writing.
func (tx *Tx) object(id OpID) (*txObject, error) {
	if o := tx.objects[id]; o != nil {
		return o, nil
	}
	l, ok := tx.s.actors.lamport(id)
	i, known := tx.s.object(l)
	if !ok || !known {
		return nil, fmt.Errorf("no object %s", id)
	}
	return tx.register(&txObject{id: id, kind: tx.s.objects[i].kind, index: i}), nil
}

func (tx *Tx) register(o *txObject) *txObject {
	if tx.objects == nil {
		tx.objects = make(map[OpID]*txObject)
	}
	tx.objects[o.id] = o
	return o
}

// mapObject returns a map.
func (tx *Tx) mapObject(id OpID) (*txObject, error) {
	o, err := tx.object(id)
	if err == nil && o.kind != ActionMakeMap {
		return nil, fmt.Errorf("object %s isn't a map", id)
	}
	return o, err
}

// listObject returns a list, or a text if text is set, with its elements.
func (tx *Tx) listObject(id OpID, text bool) (*txObject, error) {
	o, err := tx.sequence(id)
	switch {
	case err != nil:
		return nil, err
	case text && o.kind != ActionMakeText:
		return nil, fmt.Errorf("object %s isn't a text", id)
	case !text && o.kind != ActionMakeList:
		return nil, fmt.Errorf("object %s isn't a list", id)
	}
	return o, nil
}

// sequence returns a list or text with its elements.
func (tx *Tx) sequence(id OpID) (*txObject, error) {
	o, err := tx.object(id)
	if err != nil {
		return nil, err
	}
	if o.kind != ActionMakeList && o.kind != ActionMakeText {
		return nil, fmt.Errorf("object %s is neither list nor text", id)
	}
	if o.list == nil {
		o.list = newTxList(tx, o)
	}
	return o, nil
}

// filling is an object whose members are still to be written.
type filling struct {
	object *txObject
	content
}

// fill writes the members of new objects: those of the outer ones first, each
// in order, as automerge-js does.
func (tx *Tx) fill(queue ...filling) error {
	for len(queue) > 0 && tx.broken == nil {
		next := queue[0]
		queue = queue[1:]
		switch o := next.object; {
		case next.of != nil:
			made, err := tx.copy(o, next.of)
			if err != nil {
				return tx.breakOff(err)
			}
			queue = append(queue, made...)
		case next.action == ActionMakeText:
			tx.insertText(o, anchor{}, next.text)
		case next.action == ActionMakeList:
			made, err := tx.insertValues(o, anchor{}, next.list)
			if err != nil {
				return tx.breakOff(err)
			}
			queue = append(queue, made...)
		default:
			for _, key := range sortedKeys(next.fields) {
				made, err := tx.put(o, key, next.fields[key])
				if err != nil {
					return tx.breakOff(err)
				}
				queue = append(queue, made...)
			}
		}
	}
	return tx.broken
}

// breakOff ends a write of which a part is done.
func (tx *Tx) breakOff(err error) error {
	if tx.broken == nil {
		tx.broken = err
	}
	return tx.broken
}

// made registers the object that an op makes and says that it is to be filled;
// nothing for a scalar.
func (tx *Tx) made(id OpID, c content) []filling {
	if c.action == ActionSet {
		return nil
	}
	o := tx.register(&txObject{id: id, kind: c.action, own: true})
	if c.action == ActionMakeList || c.action == ActionMakeText {
		o.list = newTxList(tx, o)
	}
	return []filling{{o, c}}
}

// ids returns the ids of values: the preds of an op that overwrites them.
func ids(all []Item) []OpID {
	if len(all) == 0 {
		return nil
	}
	out := make([]OpID, len(all))
	for i := range all {
		out[i] = all[i].ID
	}
	return out
}

// unchanged reports whether writing v over the visible values would change
// nothing: it is there already, without a conflict.
func unchanged(all []Item, c content) bool {
	return c.action == ActionSet && len(all) == 1 && all[0].Kind == KindScalar && all[0].Value.Equal(c.value)
}

// shownItems returns the visible values of a key or element, the winner last.
func (s *OpSet) shownItems(c *cell) []Item {
	all := make([]Item, 0, c.shown())
	for r := range c.shownRows {
		item := Item{ID: s.actors.opID(r.id), Kind: r.action.kind()}
		if item.Kind == KindScalar {
			item.Value = s.currentValue(r)
		}
		all = append(all, item)
	}
	return all
}

// isCounter reports whether an item can be incremented.
func (i Item) isCounter() bool { return i.Kind == KindScalar && i.Value.code == ValueCounter }

// counters returns those items that are counters.
func counters(all []Item) []Item {
	return slices.DeleteFunc(slices.Clone(all), func(i Item) bool { return !i.isCounter() })
}

// opOf returns an op of the transaction; the zero Op if it wasn't written.
func (tx *Tx) opOf(id OpID) Op {
	if i := uint64(id.Counter) - uint64(tx.meta.StartOp); i < uint64(len(tx.ops)) && id.Actor == tx.meta.Actor {
		return tx.ops[i]
	}
	return Op{}
}
