package derive

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"concord/crdt"
	"concord/store"
	"concord/sync/hub"
)

// world is documents that several devices edit.
type world struct {
	*rig
	rnd    *rand.Rand
	papers []*paper
	n      int // values that are written once
	merges int
}

// paper is one document.
type paper struct {
	key     store.DocKey
	kind    string
	devices []*device
	marks   []mark
}

type device struct {
	doc    *crdt.Doc
	author hub.Author
	unsent []*crdt.Change
}

// TestRandomMerges lets devices edit documents offline and bring their changes in
// batches, out of order, as whole documents, while the server restarts: the events
// are those that the oracle makes of the stored logs. DERIVE_MERGES says how many
// times a device brings something, DERIVE_SEED replays a run.
func TestRandomMerges(t *testing.T) {
	seed, want := rand.Uint64(), 1000
	for name, set := range map[string]func(uint64){"DERIVE_SEED": func(n uint64) { seed = n }, "DERIVE_MERGES": func(n uint64) { want = int(n) }} {
		if s := os.Getenv(name); s != "" {
			n, err := strconv.ParseUint(s, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			set(n)
		}
	}
	t.Logf("DERIVE_SEED=%d", seed)
	total, events, answers := 0, 0, 0
	for round := uint64(0); total < want && !t.Failed(); round++ {
		w := &world{rig: newRig(t, lawRules("free", "guarded")), rnd: rand.New(rand.NewPCG(seed, round))}
		w.run(min(250, want-total))
		total += w.merges
		for _, p := range w.papers {
			n, m := w.check(p)
			events, answers = events+n, answers+m
		}
	}
	t.Logf("%d merges, %d events, %d answers of guards", total, events, answers)
	if answers == 0 || events < total {
		t.Error("hardly anything has happened")
	}
}

func (w *world) run(merges int) {
	for range 4 {
		w.document()
	}
	for w.merges < merges && !w.t.Failed() {
		p := w.papers[w.rnd.IntN(len(w.papers))]
		d := p.devices[w.rnd.IntN(len(p.devices))]
		switch n := w.rnd.IntN(40); {
		case n < 18:
			w.change(d)
		case n < 30:
			w.bring(p, d)
		case n < 33:
			w.office(p)
		case n < 35:
			w.clock.sleep(time.Duration(w.rnd.IntN(1500)) * time.Millisecond)
		case n < 39:
			w.tell()
		case w.rnd.IntN(4) == 0:
			w.rig.restart()
			w.mark(mark{at: w.clock.now(), restart: true})
		}
	}
	for _, p := range w.papers {
		for _, d := range p.devices {
			w.bring(p, d)
		}
	}
	w.clock.sleep(2 * time.Second)
	w.tell()
}

// document makes a document that three devices have.
func (w *world) document() {
	p := &paper{kind: []string{"free", "guarded"}[len(w.papers)%2]}
	content := map[string]any{"status": crdt.StringValue("draft"), "total": 1, "quantity": 5, "reorderLevel": 2, "lines": []any{}, "customer": map[string]any{"name": "A"}}
	if w.rnd.IntN(2) == 0 {
		content = map[string]any{"status": crdt.StringValue("sent"), "total": 4, "due": "soon", "quantity": 1, "reorderLevel": 2}
	}
	p.key = w.create(p.kind, content)
	for i, user := range []string{"ann", "bob", "eve"} {
		d := &device{doc: crdt.New(), author: hub.Author{User: user, Device: user + "'s"}}
		if i == 0 {
			d.author.Roles = []string{"accountant"}
		}
		d.doc.SetActor(crdt.ActorID(fmt.Sprintf("%s-%d", user, len(w.papers))))
		w.pull(p, d)
		p.devices = append(p.devices, d)
	}
	w.papers = append(w.papers, p)
}

func (w *world) pull(p *paper, d *device) {
	w.t.Helper()
	file, err := w.hub.Export(w.t.Context(), p.key)
	if err == nil {
		err = d.doc.LoadIncremental(file, crdt.Limits{})
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// tell tells of due updates.
func (w *world) tell() {
	w.mark(mark{at: w.flush()})
}

func (w *world) mark(m mark) {
	for _, p := range w.papers {
		m.changes = len(w.log(p.key))
		p.marks = append(p.marks, m)
	}
}

// change makes a change on a device.
func (w *world) change(d *device) {
	c, err := d.doc.Edit(crdt.EditOptions{Time: 1_700_000_000}, func(tx *crdt.Tx) error { return w.write(tx) })
	if err != nil {
		w.t.Fatal(err)
	}
	if c != nil {
		d.unsent = append(d.unsent, c)
	}
}

func (w *world) write(tx *crdt.Tx) error {
	for range 1 + w.rnd.IntN(3) {
		if err := w.edit1(tx); err != nil {
			return err
		}
	}
	return nil
}

// once returns a text that nobody has written yet: writing a text that is there
// already is an update, but can't be seen in JSON.
func (w *world) once() string {
	w.n++
	return fmt.Sprint("text ", w.n)
}

func (w *world) edit1(tx *crdt.Tx) error {
	r := w.rnd
	set := func(key string, value any) error {
		_, err := tx.Set(crdt.Root, key, value)
		return err
	}
	item := func(key string, kind crdt.Kind) (crdt.OpID, bool) {
		x, ok := tx.Field(crdt.Root, key)
		return x.ID, ok && x.Kind == kind
	}
	switch r.IntN(14) {
	case 0, 1, 2:
		return set("status", crdt.StringValue([]string{"draft", "sent", "overdue", "paid", "paid", "posted"}[r.IntN(6)]))
	case 3:
		return set("total", []any{r.IntN(10), float64(r.IntN(10)) + .5, 0, crdt.StringValue("much")}[r.IntN(4)])
	case 4:
		return set([]string{"quantity", "reorderLevel"}[r.IntN(2)], r.IntN(6))
	case 5:
		return set("assignee", []any{crdt.StringValue("ann"), crdt.StringValue("bob"), nil, w.once(), []any{crdt.StringValue("ann"), w.once()}}[r.IntN(5)])
	case 6:
		if list, ok := item("assignee", crdt.KindList); ok {
			return tx.Insert(list, r.IntN(tx.Len(list)+1), []any{crdt.StringValue("eve"), w.once()}[r.IntN(2)])
		}
		return set("title", w.once())
	case 7:
		return tx.Delete(crdt.Root, []string{"status", "total", "quantity", "assignee", "lines", "customer", "due"}[r.IntN(7)])
	case 8:
		return set("due", []any{nil, w.once()}[r.IntN(2)])
	case 9:
		if list, ok := item("lines", crdt.KindList); ok {
			return tx.Insert(list, r.IntN(tx.Len(list)+1), map[string]any{"price": r.IntN(9), "id": w.once()})
		}
		return set("lines", []any{map[string]any{"price": r.IntN(9), "id": w.once()}})
	case 10:
		if list, ok := item("lines", crdt.KindList); ok && tx.Len(list) > 0 {
			if r.IntN(2) == 0 {
				return tx.DeleteRange(list, r.IntN(tx.Len(list)), 1)
			}
			if line, ok := tx.Element(list, 0); ok && line.Kind == crdt.KindMap {
				_, err := tx.Set(line.ID, "price", r.IntN(9))
				return err
			}
		}
	case 11:
		if customer, ok := item("customer", crdt.KindMap); ok {
			_, err := tx.Set(customer, "name", w.once())
			return err
		}
		return set("customer", map[string]any{"name": w.once(), "city": w.once()})
	case 12:
		if title, ok := item("title", crdt.KindText); ok {
			w.n++
			return tx.SpliceText(title, r.IntN(tx.Len(title)+1), 0, fmt.Sprintf("<%d>", w.n))
		}
	case 13:
		if x, ok := tx.Field(crdt.Root, "counter"); ok && x.Kind == crdt.KindScalar && x.Value.Code() == crdt.ValueCounter {
			return tx.Increment(crdt.Root, "counter", int64(1+r.IntN(3)))
		}
		w.n++
		return set("counter", crdt.Counter(1000*w.n))
	}
	return nil
}

// bring sends what a device has, and gets what the server has.
func (w *world) bring(p *paper, d *device) {
	w.t.Helper()
	if len(d.unsent) > 0 {
		w.merges++
		var b []byte
		switch w.rnd.IntN(4) {
		case 0:
			b = d.doc.Save()
		case 1:
			w.rnd.Shuffle(len(d.unsent), func(i, j int) { d.unsent[i], d.unsent[j] = d.unsent[j], d.unsent[i] })
			d.unsent = append(d.unsent, d.unsent[0]) // and one of them twice
			fallthrough
		default:
			for _, c := range d.unsent {
				b = append(b, c.Bytes()...)
			}
		}
		got, err := w.hub.Import(w.t.Context(), p.key, d.author, b, nil)
		if err != nil || got.Waiting > 0 || len(got.Refused) > 0 {
			w.t.Fatalf("import: %+v %v", got, err)
		}
		d.unsent = nil
	}
	if w.rnd.IntN(3) > 0 {
		w.pull(p, d)
	}
}

// office edits on the server.
func (w *world) office(p *paper) {
	w.rig.edit(p.key, hub.Edit{
		By: hub.Author{User: "erp", Device: "api"}, Trusted: w.rnd.IntN(2) == 0,
		Write: func(tx *crdt.Tx, _ hub.Reading) error { return w.write(tx) },
	})
}

// check compares the events of a document with those of the oracle.
func (w *world) check(p *paper) (events, answers int) {
	w.t.Helper()
	log := w.log(p.key)
	got := w.all(p.key.Document)
	want := foretell(w.t, p.key, p.kind, log, p.marks)
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("events of a %s document with %d changes: -want +got:\n%s", p.kind, len(log), diff[:min(len(diff), 3000)])
	}
	for _, c := range log {
		if strings.HasPrefix(c.change.Message, "Guard: ") {
			answers++
		}
	}
	return len(got), answers
}
