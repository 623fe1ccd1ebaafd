package main

import (
	"bufio"
	"fmt"

	"concord/crdt"
)

// author writes the history of a document as change chunks, one after another, as some clients would have made it.
type author struct {
	w      *bufio.Writer
	actors []crdt.ActorID
	seqs   []uint32 // of each actor's last change
	heads  []crdt.Hash
	maxOp  uint32
	count  int
}

// firstTime is when histories begin, seconds since 1970.
const firstTime = 1760000000

func newAuthor(w *bufio.Writer, actors ...crdt.ActorID) *author {
	return &author{w: w, actors: actors, seqs: make([]uint32, len(actors))}
}

// testActor returns an actor ID of 16 bytes that is the same in each run.
func testActor(i int) crdt.ActorID {
	return crdt.ActorID(fmt.Sprintf("%c-enginebench-%02d", 'a'+i, i))
}

// id returns what the ID of op i will be in the actor's next change.
func (a *author) id(actor, i int) crdt.OpID {
	return crdt.OpID{Counter: a.maxOp + 1 + uint32(i), Actor: a.actors[actor]}
}

// commit writes a change that has seen all others.
func (a *author) commit(actor int, ops []crdt.Op) error {
	c, err := a.write(actor, ops)
	if err != nil {
		return err
	}
	a.heads = append(a.heads[:0], c.Hash)
	a.maxOp = c.MaxOp()
	return nil
}

// commitTwo writes two changes that haven't seen each other.
func (a *author) commitTwo(actor1 int, ops1 []crdt.Op, actor2 int, ops2 []crdt.Op) error {
	one, err := a.write(actor1, ops1)
	if err != nil {
		return err
	}
	two, err := a.write(actor2, ops2)
	if err != nil {
		return err
	}
	a.heads = append(a.heads[:0], one.Hash, two.Hash)
	crdt.SortHashes(a.heads)
	a.maxOp = max(one.MaxOp(), two.MaxOp())
	return nil
}

func (a *author) write(actor int, ops []crdt.Op) (*crdt.Change, error) {
	a.seqs[actor]++
	seconds := int64(max(0, a.count-1)) // the first edit comes in the second in which the document is made
	c, err := crdt.EncodeChange(crdt.ChangeMeta{
		Deps: a.heads, Actor: a.actors[actor], Seq: a.seqs[actor], StartOp: a.maxOp + 1, Time: firstTime + seconds,
	}, ops)
	if err != nil {
		return nil, fmt.Errorf("encode change %d: %w", a.count, err)
	}
	a.count++
	if _, err := a.w.Write(c.Bytes()); err != nil {
		return nil, err
	}
	return c, nil
}

// set returns an op that writes a value to a map key over what is visible there.
func set(obj crdt.OpID, key string, v crdt.Value, preds ...crdt.OpID) crdt.Op {
	return crdt.Op{Action: crdt.ActionSet, Obj: obj, Key: crdt.MapKey(key), Value: v, Preds: preds}
}

// create returns an op that makes an object at a map key that is empty.
func create(action crdt.Action, obj crdt.OpID, key string) crdt.Op {
	return crdt.Op{Action: action, Obj: obj, Key: crdt.MapKey(key)}
}
