package crdt

import (
	"slices"
	"strings"
)

// opChecker holds the gate rules that need nothing but the change: those that
// look at one op at a time. Rules about objects, elements and preds that must
// exist need the op set; rules about dependencies need the graph.
type opChecker struct {
	change *Change
	reader opReader
	preds  int // so far
	limit  int // of preds

	// Of the op before, when it begins a mark.
	marking        bool
	markObj, after rowID
}

// checkOps reads all ops of c, checks them and sets c.numPreds.
func checkOps(c *Change, lim Limits) error {
	if err := checkRequired(c); err != nil {
		return err
	}
	k := opChecker{change: c, limit: predsPerOp * lim.Ops}
	if n := len(c.OtherActors); n > 0 {
		c.OtherOps = make([]uint32, n)
	}
	k.reader.init(c.raw, &c.columns, 1+len(c.OtherActors))
	var row opRow
	for i := range c.NumOps {
		if err := k.reader.next(&row); err != nil {
			return err
		}
		if err := k.checkOp(c.StartOp+uint32(i), &row); err != nil {
			return err
		}
	}
	if err := k.reader.end(); err != nil {
		return err
	}
	if i := slices.Index(c.OtherOps, 0); i >= 0 {
		return refuse(ReasonNotCanonical, "other actor %d isn't used", i)
	}
	c.numPreds = k.preds
	return nil
}

// checkRequired checks that the columns which a change with ops must have are
// there, and that a change without ops has none.
func checkRequired(c *Change) error {
	if c.NumOps == 0 {
		if c.columns[0] != c.columns[numOpColumns] {
			return refuse(ReasonNotCanonical, "columns without ops")
		}
		return nil
	}
	for _, col := range [...]opColumn{colInsert, colValueMeta, colPredCount} {
		if len(c.columns.of(c.raw, col)) == 0 {
			return refuse(ReasonMalformed, "%s column is missing", opColumns[col].name)
		}
	}
	return nil
}

func (k *opChecker) checkOp(counter uint32, row *opRow) error {
	if err := k.checkObject(counter, row.obj); err != nil {
		return err
	}
	if err := k.checkKey(counter, row); err != nil {
		return err
	}
	if err := checkContent(row); err != nil {
		return err
	}
	if err := k.checkMark(row); err != nil {
		return err
	}
	return k.checkPreds(counter, row)
}

// checkObject allows objects that a later op of the same change creates.
func (k *opChecker) checkObject(counter uint32, obj rowID) error {
	if obj.counter == 0 {
		return nil
	}
	k.refer(obj)
	if obj.counter > k.change.MaxOp() || k.foreign(obj) {
		return refuse(ReasonBadOp, "object %d can't exist when op %d is applied", obj.counter, counter)
	}
	if obj.counter == counter {
		return refuse(ReasonBadOp, "op %d is inside the object that it makes", counter)
	}
	return nil
}

func (k *opChecker) checkKey(counter uint32, row *opRow) error {
	switch {
	case !row.isElem && row.insert:
		return refuse(ReasonBadOp, "insert flag on a map key")
	case !row.isElem:
		return nil
	case row.obj.counter == 0:
		return refuse(ReasonBadOp, "element key in the root object")
	case row.elem.counter == 0 && !row.insert:
		return refuse(ReasonBadOp, "list head where an element is expected")
	case row.elem.counter == 0:
		return nil
	}
	k.refer(row.elem)
	if row.elem.counter >= counter || k.foreign(row.elem) {
		return refuse(ReasonBadOp, "element %d isn't older than op %d", row.elem.counter, counter)
	}
	return nil
}

// foreign reports whether id has a counter of this change, but another actor.
// Such an op cannot be among the ancestors, whose counters are below StartOp.
func (k *opChecker) foreign(id rowID) bool {
	return id.actor != 0 && id.counter >= k.change.StartOp
}

// checkContent checks that value and mark fields are only where they belong:
// documents of 2.x clients have no place to remember them elsewhere. A mark
// that isn't an element of its own is shown differently after a reload.
func checkContent(row *opRow) error {
	if row.action == ActionMark && !row.insert {
		return refuse(ReasonBadOp, "mark without insert flag")
	}
	if row.action == ActionIncrement && row.insert {
		return refuse(ReasonBadOp, "inc with insert flag")
	}
	if row.action != ActionMark && (row.hasMark || row.expand) {
		return refuse(ReasonNotCanonical, "%s with mark name or expand flag", row.action)
	}
	switch code := row.value.code; {
	case row.action == ActionSet, row.action == ActionMark && row.hasMark:
	case row.action == ActionIncrement:
		if code != ValueInt && code != ValueUint {
			return refuse(ReasonBadOp, "inc by a value of type %d", code)
		}
	case row.action == ActionMark && code != ValueNull:
		return refuse(ReasonNotCanonical, "mark end with a value")
	case code != ValueNull:
		return refuse(ReasonNotCanonical, "%s with a value", row.action)
	}
	return nil
}

// checkMark refuses a mark whose end is inserted at the same place as its begin:
// of two elements with one reference the later one stands first, so the end would
// stand before the begin, and current automerge-js can't load such a document.
// Clients up to 2.x write it for an empty mark. Other orders need the op set.
func (k *opChecker) checkMark(row *opRow) error {
	isMark := row.action == ActionMark
	if k.marking && isMark && !row.hasMark && row.obj == k.markObj && row.elem == k.after {
		return refuse(ReasonBadOp, "a mark ends before it begins, as an empty mark does")
	}
	k.marking, k.markObj, k.after = isMark && row.hasMark, row.obj, row.elem
	return nil
}

// checkPreds reads the op's preds, which must ascend by counter and actor bytes.
func (k *opChecker) checkPreds(counter uint32, row *opRow) error {
	if row.action == ActionDelete && row.preds == 0 {
		return refuse(ReasonBadPred, "del without pred")
	}
	if row.insert && row.preds > 0 {
		return refuse(ReasonBadPred, "insert with pred")
	}
	if row.preds > k.limit-k.preds {
		return refuse(ReasonLimit, "more than %d preds", k.limit)
	}
	k.preds += row.preds
	var last rowID
	for range row.preds {
		pred, err := k.reader.nextPred()
		if err != nil {
			return err
		}
		if pred.counter >= counter || k.foreign(pred) {
			return refuse(ReasonBadPred, "pred %d isn't older than op %d", pred.counter, counter)
		}
		if !k.ascends(last, pred) {
			return refuse(ReasonBadPred, "preds of op %d aren't in ascending order", counter)
		}
		k.refer(pred)
		last = pred
	}
	return nil
}

// ascends compares by actor bytes: index 0 is the author, so indexes don't do.
func (k *opChecker) ascends(a, b rowID) bool {
	if a.counter != b.counter {
		return a.counter < b.counter
	}
	return strings.Compare(k.actor(a), k.actor(b)) < 0
}

func (k *opChecker) actor(id rowID) string {
	if id.actor == 0 {
		return string(k.change.Actor)
	}
	return string(k.change.OtherActors[id.actor-1])
}

// refer notes what the change refers to.
func (k *opChecker) refer(id rowID) {
	if id.actor > 0 {
		highest := &k.change.OtherOps[id.actor-1]
		*highest = max(*highest, id.counter)
	}
}
