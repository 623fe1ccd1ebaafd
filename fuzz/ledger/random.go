package ledger

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"concord/crdt"
	"concord/fuzz/history"
)

// Sample is a random history with the records that the definition gives.
type Sample struct {
	Number  uint64 // with the seed, it replays the sample
	Changes []*crdt.Change
	Records []Record
	Looks   int // see Verdict
	Decoded int
}

// Samples invents histories number first and following: n of them, and asks the
// judge twice: for the conflicts that some changes are to resolve, and for all.
func (j *Judge) Samples(seed, first uint64, n int) ([]*Sample, error) {
	list := make([]*Sample, n)
	rngs := make([]*rand.Rand, n)
	writers := make([]*history.Writer, n)
	for i := range list {
		list[i] = &Sample{Number: first + uint64(i)}
		rngs[i] = rand.New(rand.NewPCG(seed, list[i].Number))
		s := shape(rngs[i])
		writers[i] = history.NewWriter(rngs[i], s)
		if err := writers[i].Grow(10 + rngs[i].IntN(50) + 3*s.Actors); err != nil {
			return nil, fmt.Errorf("sample %d: %w", list[i].Number, err)
		}
	}
	for range 2 {
		if err := j.fill(list, writers); err != nil {
			return nil, err
		}
		for i, s := range list {
			if err := resolveSome(rngs[i], writers[i], s.Records); err != nil {
				return nil, fmt.Errorf("sample %d: %w", s.Number, err)
			}
		}
	}
	return list, j.fill(list, writers)
}

// shape leaves out what clients don't write in half of the samples. One of ten
// isn't made for conflicts, and in some there is a crowd.
func shape(rng *rand.Rand) history.Shape {
	s := history.Shape{Actors: 2 + rng.IntN(5)}
	switch n := rng.IntN(40); {
	case n == 0: // a crowd
		s.Actors, s.Contested = 80, 20
	case n < 36:
		s.Contested = 1 + rng.IntN(6)
	}
	if rng.IntN(2) == 0 {
		s.Without = ^history.Oddity(0)
	}
	return s
}

// fill sets what follows from what the writers have written.
func (j *Judge) fill(list []*Sample, writers []*history.Writer) error {
	histories := make([][]*crdt.Change, len(list))
	for i, s := range list {
		s.Changes = writers[i].History().Changes
		histories[i] = s.Changes
	}
	verdicts, err := j.Records(Document, histories...)
	if err != nil {
		return err
	}
	for i, v := range verdicts {
		if v.Err != nil {
			return fmt.Errorf("sample %d: %w\n%s", list[i].Number, v.Err, writers[i].History())
		}
		list[i].Records, list[i].Looks, list[i].Decoded = v.Records, v.Looks, v.Decoded
	}
	return nil
}

// resolveSome has people decide some conflicts, sometimes without having seen
// them all, and edit on, sometimes before, as far as they know.
func resolveSome(rng *rand.Rand, w *history.Writer, records []Record) error {
	for range rng.IntN(5) {
		if len(records) == 0 {
			break
		}
		r := records[rng.IntN(len(records))]
		obj, key, err := r.place()
		if err != nil {
			return err
		}
		message := "Resolve conflict " + r.ID + []string{"", ": keep mine", "x"}[rng.IntN(3)]
		if rng.IntN(10) == 0 {
			message = " " + message // says nothing
		}
		if err := w.Say(message, obj, key); err != nil {
			return err
		}
	}
	return w.Grow(rng.IntN(25))
}

func (r Record) place() (obj crdt.OpID, key crdt.Key, err error) {
	if obj, err = opID(strings.TrimPrefix(r.Object, "_root")); err != nil || r.Elem == "" {
		return obj, crdt.MapKey(r.Key), err
	}
	elem, err := opID(r.Elem)
	return obj, crdt.ElemKey(elem), err
}
