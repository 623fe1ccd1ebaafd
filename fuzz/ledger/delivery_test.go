package ledger

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"concord/crdt"
	"concord/store"
	"concord/sync/hub"
)

var users = []string{"ann", "ben", "cat"}

// delivery brings the changes of one sample into a hub, in some order, cut into
// parcels.
type delivery struct {
	key     store.DocKey
	sample  *Sample
	rng     *rand.Rand
	byHash  map[crdt.Hash]int
	parcels [][]int
	sent    []bool
	servers []*crdt.Change // written by the server
}

func newDelivery(company string, s *Sample, rng *rand.Rand) *delivery {
	d := &delivery{
		key: store.DocKey{Company: company, Document: Document}, sample: s, rng: rng, byHash: map[crdt.Hash]int{},
		sent: make([]bool, len(s.Changes)),
	}
	for i, c := range s.Changes {
		d.byHash[c.Hash] = i
	}
	d.cut(d.order())
	return d
}

// order is one in which dependencies come first, mostly; else any.
func (d *delivery) order() []int {
	order := d.rng.Perm(len(d.sample.Changes))
	if d.rng.IntN(4) == 0 {
		return order
	}
	var sorted []int
	done := make([]bool, len(order))
	for len(order) > 0 {
		order = slices.DeleteFunc(order, func(i int) bool {
			ready := !slices.ContainsFunc(d.sample.Changes[i].Deps, func(h crdt.Hash) bool { return !done[d.byHash[h]] })
			if ready = ready && (d.rng.IntN(3) > 0 || len(order) == 1); ready {
				done[i] = true
				sorted = append(sorted, i)
			}
			return ready
		})
	}
	return sorted
}

func (d *delivery) cut(order []int) {
	most := 1 + d.rng.IntN(1+d.rng.IntN(len(order)+1))
	for len(order) > 0 {
		n := min(1+d.rng.IntN(most), len(order))
		d.parcels, order = append(d.parcels, order[:n]), order[n:]
	}
}

// closed says which changes the hub must have now: those that were sent with all before them.
func (d *delivery) closed() (have []bool, n int) {
	have = make([]bool, len(d.sent))
	for i, c := range d.sample.Changes {
		have[i] = d.sent[i] && !slices.ContainsFunc(c.Deps, func(h crdt.Hash) bool { return !have[d.byHash[h]] })
		if have[i] {
			n++
		}
	}
	return have, n
}

// known returns the changes that the hub must have now.
func (d *delivery) known() (changes []*crdt.Change) {
	have, _ := d.closed()
	for i, c := range d.sample.Changes {
		if have[i] {
			changes = append(changes, c)
		}
	}
	return append(changes, d.servers...)
}

// forgotten sends again what waited for other changes when the hub ended.
func (d *delivery) forgotten() {
	have, _ := d.closed()
	var again []int
	for i := range d.sent {
		if d.sent[i] && !have[i] {
			d.sent[i] = false
			again = append(again, i)
		}
	}
	if len(again) > 0 {
		d.parcels = append(d.parcels, again)
	}
}

// some delivers parcels until there are none, or for a while.
func (d *delivery) some(r *rig, part bool) error {
	for len(d.parcels) > 0 && !(part && d.rng.IntN(4) == 0) {
		parcel := d.parcels[0]
		d.parcels = d.parcels[1:]
		for _, i := range parcel {
			d.sent[i] = true
		}
		if err := d.send(r, parcel, users[d.rng.IntN(len(users))]); err != nil {
			return fmt.Errorf("deliver changes %v: %w", parcel, err)
		}
		if d.rng.IntN(3) == 0 {
			if err := d.settle(r); err != nil {
				return err
			}
		}
	}
	return d.settle(r)
}

// settle waits until all is durable that can be. A hub that needs memory forgets
// changes that wait for others, and asks for them again: as a client does that
// listens, settle then sends all that should be there.
func (d *delivery) settle(r *rig) error {
	have, n := d.closed()
	var all []int
	for i := range have {
		if have[i] {
			all = append(all, i)
		}
	}
	for range 50 {
		if done, err := r.durable(d.key, n); done || err != nil {
			return err
		}
		if err := d.over(r, users[0], d.chunks(all)...); err != nil {
			return err
		}
	}
	return fmt.Errorf("%d changes don't become durable", n)
}

func (d *delivery) send(r *rig, parcel []int, user string) error {
	ctx := r.tb.Context()
	chunks := d.chunks(parcel)
	switch d.rng.IntN(6) {
	case 0:
		_, err := r.hub.Import(ctx, d.key, hub.Author{User: user, Device: "file"}, slices.Concat(chunks...), nil)
		return err
	case 1:
		_, err := r.hub.Import(ctx, d.key, hub.Author{User: user}, d.document(parcel), nil)
		return err
	case 2:
		_, err := r.hub.Sync(ctx, hub.Session{Company: d.key.Company, User: user}, user+"'s tablet", d.key.Document, message(d.sample.Changes[parcel[0]].Hash, chunks...))
		return err
	case 3:
		return d.over(r, user, d.document(parcel))
	case 4:
		for _, c := range chunks {
			if err := d.over(r, users[d.rng.IntN(len(users))], c); err != nil {
				return err
			}
		}
		return nil
	}
	return d.over(r, user, chunks...)
}

// over sends chunks over a connection.
func (d *delivery) over(r *rig, user string, chunks ...[]byte) error {
	return r.pipe(d.key.Company, user).send(syncFrame(user, d.key.Document, message(d.sample.Changes[0].Hash, chunks...)))
}

// chunks returns changes as they are or deflated.
func (d *delivery) chunks(parcel []int) (chunks [][]byte) {
	for _, i := range parcel {
		b := d.sample.Changes[i].Bytes()
		if d.rng.IntN(8) == 0 {
			b = d.sample.Changes[i].Compressed()
		}
		chunks = append(chunks, b)
	}
	return chunks
}

// document returns a document with some changes and all before them.
func (d *delivery) document(parcel []int) []byte {
	need := make([]bool, len(d.sent))
	for _, i := range parcel {
		need[i] = true
	}
	for i := len(need) - 1; i >= 0; i-- {
		if need[i] {
			d.sent[i] = true
			for _, h := range d.sample.Changes[i].Deps {
				need[d.byHash[h]] = true
			}
		}
	}
	doc := crdt.New()
	for i, c := range d.sample.Changes {
		if need[i] {
			if err := doc.Apply(c); err != nil {
				panic(fmt.Sprintf("sample %d: change %d: %v", d.sample.Number, i, err))
			}
		}
	}
	return doc.Save()
}
