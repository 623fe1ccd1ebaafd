package guard

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"concord/crdt"
	"concord/internal/rules"
	"concord/store"
)

// law is a set of rules, and what the test itself knows of it: conditions and
// locks are worked out from the JSON of documents, without the package's parser.
type law struct {
	rules string
	parts []part
}

type part struct {
	when func(doc any) bool
	lock [][]string
}

func status(in ...string) func(any) bool {
	return func(doc any) bool {
		s, _ := lookup(doc, "status").(string)
		return slices.Contains(in, s)
	}
}

func lookup(doc any, keys ...string) any {
	for _, k := range keys {
		m, ok := doc.(map[string]any)
		if !ok {
			return nil
		}
		doc = m[k]
	}
	return doc
}

var laws = []law{
	{
		rules: `guards: [{name: final, type: invoice, when: "/status in [posted, paid]",
			lock: [/status, /lines, /total, /customer/vat, /notes], except: {roles: [accountant]}}]`,
		parts: []part{{status("posted", "paid"), [][]string{{"status"}, {"lines"}, {"total"}, {"customer", "vat"}, {"notes"}}}},
	},
	{
		rules: `guards: [{name: prices, type: invoice, when: /status == posted, lock: [/lines/*/price, /tags], except: {roles: [accountant]}}]`,
		parts: []part{{status("posted"), [][]string{{"lines", "*", "price"}, {"tags"}}}},
	},
	{
		rules: `guards: [
			{name: all, type: invoice, when: /status == paid, lock: '', except: {roles: [accountant]}},
			{name: any, type: invoice, when: not /status == draft, lock: '/customer/*', except: {roles: [accountant]}}]`,
		parts: []part{
			{status("paid"), [][]string{{}}},
			{func(doc any) bool { return lookup(doc, "status") != any("draft") }, [][]string{{"customer", "*"}}},
		},
	},
	{
		rules: `guards: [{name: approved, type: invoice, when: /customer/vat > 3 and /status exists, lock: [/*/vat, /lines/*/qty, /notes, /total], except: {roles: [accountant]}}]`,
		parts: []part{{func(doc any) bool {
			n, err := strconv.ParseFloat(fmt.Sprint(lookup(doc, "customer", "vat")), 64)
			_, there := doc.(map[string]any)["status"]
			return err == nil && n > 3 && there
		}, [][]string{{"*", "vat"}, {"lines", "*", "qty"}, {"notes"}, {"total"}}}},
	},
}

// TestRandomEdits lets people with and without the role edit invoices offline,
// and send their changes late, in batches and out of order. GUARD_EDITS says how
// many edits are to be undone, GUARD_SEED replays a run.
func TestRandomEdits(t *testing.T) {
	seed, want := rand.Uint64(), 120
	if s := os.Getenv("GUARD_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	if s := os.Getenv("GUARD_EDITS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		want = n
	}
	t.Logf("GUARD_SEED=%d", seed)
	var undone, answers, batches, quiet, refused atomic.Int64
	t.Run("laws", func(t *testing.T) {
		for i, l := range laws {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				w := &world{rig: newRig(t, l.rules), law: l, rnd: rand.New(rand.NewPCG(seed, uint64(i)))}
				for w.undone < (want+len(laws)-1)/len(laws) && !t.Failed() {
					w.document()
				}
				undone.Add(int64(w.undone))
				answers.Add(int64(w.answers))
				batches.Add(int64(w.batches))
				quiet.Add(int64(w.quiet))
				refused.Add(int64(w.strict))
			})
		}
	})
	t.Logf("%d proposals in %d answers to %d batches; %d batches had to be undone as a whole, %d had to stand as a whole",
		undone.Load(), answers.Load(), batches.Load(), refused.Load(), quiet.Load())
}

// world is one law and its documents.
type world struct {
	*rig
	law     law
	rnd     *rand.Rand
	users   []*user
	key     store.DocKey
	unsent  map[*user][]*crdt.Change
	server  *crdt.Doc
	log     []string
	answers int

	undone, batches, quiet, strict int
}

// document lets people edit one document for a while.
func (w *world) document() {
	w.log = nil
	w.key = w.create(invoice([]string{"draft", "posted", "posted", "paid", "paid"}[w.rnd.IntN(5)]))
	w.users, w.unsent = nil, map[*user][]*crdt.Change{}
	for i := range 2 + w.rnd.IntN(3) {
		var roles []string
		if w.rnd.IntN(5) == 0 {
			roles = []string{"accountant"}
		}
		w.users = append(w.users, w.join(w.key, fmt.Sprint("user", i), fmt.Sprint("device", i), roles...))
	}
	w.server = crdt.New()
	w.fetch()
	for range 25 {
		u := w.users[w.rnd.IntN(len(w.users))]
		switch n := w.rnd.IntN(10); {
		case n < 6:
			w.change(u)
		case n < 7:
			u.pull()
		default:
			w.deliver(u)
		}
		if w.t.Failed() {
			return
		}
	}
	for _, u := range w.users {
		w.deliver(u)
	}
	before := w.server.Len()
	for _, u := range w.users {
		u.pull()
		u.push(u.doc.Changes(nil)...) // all that it has, once more
	}
	w.fetch()
	if n := w.server.Len(); n != before {
		w.fail("%d changes at the end, %d before everything was sent again", n, before)
	}
	for _, u := range w.users {
		if content(u.doc) != content(w.server) {
			w.fail("%s has\n%s\nthe server\n%s", u.author.User, content(u.doc), content(w.server))
		}
	}
	w.check()
}

func (w *world) fetch() {
	file, err := w.hub.Export(w.t.Context(), w.key)
	if err == nil {
		err = w.server.LoadIncremental(file, crdt.Limits{})
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// change makes a change of one to three edits on a device.
func (w *world) change(u *user) {
	c, err := u.doc.Edit(crdt.EditOptions{}, func(tx *crdt.Tx) error {
		for range 1 + w.rnd.IntN(3) {
			if err := w.randomEdit(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.fail("edit: %v", err)
	} else if c != nil {
		w.unsent[u] = append(w.unsent[u], c)
	}
}

// note keeps what happens for who has to find out what went wrong.
func (w *world) note(format string, args ...any) { w.log = append(w.log, fmt.Sprintf(format, args...)) }

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Errorf("%s\n\n%s", fmt.Sprintf(format, args...), strings.Join(w.log[max(0, len(w.log)-20):], "\n"))
}

// randomEdit writes one edit; it does nothing when there is nothing to edit.
func (w *world) randomEdit(tx *crdt.Tx) error {
	r := w.rnd
	at := func(pointer string, fn func(crdt.Item) error) error {
		item, err := tx.Lookup(pointer)
		if err != nil {
			return nil // somebody deleted it
		}
		w.note("  at %s", pointer)
		return fn(item)
	}
	set := func(pointer string, value any) error {
		parent := pointer[:strings.LastIndexByte(pointer, '/')]
		return at(parent, func(item crdt.Item) error {
			if item.Kind != crdt.KindMap && item.Kind != crdt.KindList {
				return nil
			}
			w.note("  set %s %v", pointer, value)
			_, err := tx.SetAt(pointer, value)
			return err
		})
	}
	index := func(item crdt.Item) string {
		if n := tx.Len(item.ID); n > 0 && item.Kind == crdt.KindList {
			return strconv.Itoa(r.IntN(n))
		}
		return ""
	}
	switch r.IntN(15) {
	case 0:
		return set("/total", r.IntN(9))
	case 1, 2:
		if r.IntN(3) > 0 { // most of the time invoices stay what they are
			return nil
		}
		return set("/status", crdt.StringValue([]string{"draft", "posted", "posted", "paid", "paid"}[r.IntN(5)]))
	case 3:
		return set("/customer/"+[]string{"vat", "name", "city"}[r.IntN(3)], r.IntN(9))
	case 4:
		return set("/customer", map[string]any{"vat": r.IntN(9) + 2, "name": "B"})
	case 5:
		return at("", func(item crdt.Item) error {
			return tx.Delete(item.ID, []string{"customer", "total", "lines", "notes"}[r.IntN(4)])
		})
	case 6:
		return at("/notes", func(item crdt.Item) error {
			if item.Kind != crdt.KindText {
				return nil
			}
			n := r.IntN(tx.Len(item.ID) + 1)
			return tx.SpliceText(item.ID, n, min(r.IntN(3), tx.Len(item.ID)-n), "xyz"[:r.IntN(4)])
		})
	case 7:
		return at("/notes", func(item crdt.Item) error {
			if n := tx.Len(item.ID); item.Kind == crdt.KindText && n > 1 {
				return tx.Mark(item.ID, r.IntN(n-1), n, []string{"bold", "link"}[r.IntN(2)], r.IntN(3), crdt.Expand(r.IntN(4)))
			}
			return nil
		})
	case 8:
		return set([]string{"/lines", "/notes", "/tags"}[r.IntN(3)], []any{line(r.IntN(9)), "x"})
	case 9:
		return at("/lines", func(item crdt.Item) error {
			if item.Kind != crdt.KindList {
				return nil
			}
			value := any(line(r.IntN(9)))
			if r.IntN(3) == 0 {
				value = map[string]any{"note": "no price"}
			}
			return tx.Insert(item.ID, r.IntN(tx.Len(item.ID)+1), value)
		})
	case 10:
		return at("/lines", func(item crdt.Item) error {
			if i := index(item); i != "" {
				return tx.DeleteAt("/lines/" + i)
			}
			return nil
		})
	case 11:
		return at("/tags", func(item crdt.Item) error {
			if i := index(item); i != "" {
				return set("/tags/"+i, r.IntN(9))
			}
			return nil
		})
	}
	return at("/lines", func(item crdt.Item) error {
		i := index(item)
		if i == "" {
			return nil
		}
		return at("/lines/"+i, func(item crdt.Item) error {
			if item.Kind != crdt.KindMap {
				return nil
			}
			if qty, ok := tx.Field(item.ID, "qty"); ok && r.IntN(3) == 0 && qty.Value.Code() == crdt.ValueCounter {
				return tx.Increment(item.ID, "qty", int64(1+r.IntN(3)))
			}
			return set("/lines/"+i+"/"+[]string{"price", "note", "qty", "tax"}[r.IntN(4)], r.IntN(9))
		})
	})
}

// deliver sends what a device has made, at once or in parts, and looks at what
// the server makes of each part.
func (w *world) deliver(u *user) {
	changes := w.unsent[u]
	w.unsent[u] = nil
	for len(changes) > 0 && !w.t.Failed() {
		n := 1 + w.rnd.IntN(len(changes))
		batch := slices.Clone(changes[:n])
		changes = changes[n:]
		w.batch(u, batch)
	}
	if w.rnd.IntN(2) == 0 {
		u.pull()
	}
}

// batch sends changes, in any order, and compares the document with what it was
// and with what it would be without rules.
func (w *world) batch(u *user, batch []*crdt.Change) {
	w.batches++
	before := w.server
	was := document(w.t, before)
	free, err := before.Fork()
	if err != nil {
		w.t.Fatal(err)
	}
	states := []any{was}
	for _, c := range batch {
		if err := free.Apply(c); err != nil {
			w.t.Fatal(err)
		}
		states = append(states, document(w.t, free))
	}
	w.rnd.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
	given := len(w.of(w.key.Document))
	u.push(batch...)
	if w.server, err = before.Fork(); err != nil {
		w.t.Fatal(err)
	}
	w.fetch()
	answers := w.of(w.key.Document)[given:]
	w.note("%s %v sends %d changes to %s\n  without rules %s\n  with          %s\n  %s",
		u.author.User, u.author.Roles, len(batch), content(before), content(free), content(w.server), summary(answers))
	w.judge(u, len(batch), was, free, states, answers)
	w.accept(w.server, free, answers)
	for _, a := range answers {
		w.answers++
		w.undone += len(a.proposals)
	}
}

// judge holds what became of a batch against the law.
func (w *world) judge(u *user, sent int, was any, free *crdt.Doc, states []any, answers []answered) {
	changes := w.server.Len() - len(w.server.Changes(nil)) + free.Len()
	if len(answers) > 1 || w.server.Len() != changes+len(answers) {
		w.fail("%d answers, %d changes instead of %d", len(answers), w.server.Len(), changes)
	}
	inForce := false
	now := document(w.t, w.server)
	for _, p := range w.law.parts {
		if slices.Contains(u.author.Roles, "accountant") {
			break
		}
		always := true
		for _, s := range states[:len(states)-1] {
			holds := p.when(s)
			inForce, always = inForce || holds, always && holds
		}
		if !always {
			continue
		}
		for _, lock := range p.lock {
			if old, new := named(was, lock), named(now, lock); old != new {
				w.fail("%v was %s and is %s", lock, old, new)
			} else if old != named(states[len(states)-1], lock) {
				w.strict++
				if len(answers) == 0 {
					w.fail("no proposal for %v", lock)
				}
			}
		}
	}
	if !inForce {
		w.quiet++
		if len(answers) > 0 || content(w.server) != content(free) {
			w.fail("no rule was in force, and yet something was undone")
		}
	}
}

// accept looks whether the proposals have everything that was undone: writing them
// all gives what the document would be without rules.
func (w *world) accept(server, free *crdt.Doc, answers []answered) {
	if len(answers) == 0 {
		if content(server) != content(free) {
			w.fail("there is no proposal for what was undone")
		}
		return
	}
	scratch, err := server.Fork()
	if err != nil {
		w.t.Fatal(err)
	}
	scratch.SetActor("acceptor")
	for _, p := range answers[0].proposals {
		var heads []crdt.Hash
		for _, s := range p.record.Proposal.Wanted {
			h, err := crdt.ParseHash(s)
			if err != nil {
				w.t.Fatal(err)
			}
			heads = append(heads, h)
		}
		wanted, err := scratch.At(heads)
		if err != nil {
			w.t.Fatal(err)
		}
		way := w.wayIn(scratch, p.record.Object, p.record.Key)
		if _, err := scratch.Edit(crdt.EditOptions{}, func(tx *crdt.Tx) error {
			return bring(tx, scratch.View(), []goal{{way, wanted}})
		}); err != nil {
			w.fail("accept %s: %v", p.record.Path, err)
			return
		}
	}
	if got, want := content(scratch), content(free); got != want {
		w.fail("all proposals accepted give\n%s\nwithout rules it would be\n%s", got, want)
	}
	for _, r := range answers[0].records {
		if !r.Next && !w.stored(r) {
			w.fail("a record of a proposal isn't stored: %s", r.Table)
		}
	}
}

func (w *world) wayIn(d *crdt.Doc, object, key string) []step {
	if key == "" {
		return nil
	}
	obj, err := parseOp(object)
	if err != nil {
		w.t.Fatal(err)
	}
	s := step{obj, crdt.MapKey(key[1:])}
	if key[0] == 'e' {
		elem, err := parseOp(key[1:])
		if err != nil {
			w.t.Fatal(err)
		}
		s.key = crdt.ElemKey(elem)
	}
	return []step{s}
}

// check looks at the IDs of all proposals of a document.
func (w *world) check() {
	seen := map[string]bool{}
	for _, a := range w.of(w.key.Document) {
		for _, p := range a.proposals {
			if x := p.record.ID.String(); seen[x] {
				w.fail("two proposals have the ID %s", x)
			} else {
				seen[x] = true
			}
		}
	}
}

// content is all that readers see of a document.
func content(d *crdt.Doc) string {
	return string(rules.AppendContent(nil, d.View(), d.View().Root()))
}

// document returns a document as JSON decodes it, with types.
func document(t testing.TB, d *crdt.Doc) any {
	t.Helper()
	v := d.View()
	var plain, typed any
	for out, b := range map[*any][]byte{&plain: v.AppendJSON(nil, crdt.Root), &typed: v.AppendTypedJSON(nil, crdt.Root)} {
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.UseNumber()
		if err := dec.Decode(out); err != nil {
			t.Fatal(err)
		}
	}
	m := plain.(map[string]any)
	m["\x00typed"] = typed
	if notes, ok := v.Field(crdt.Root, "notes"); ok && notes.Kind == crdt.KindText {
		m["\x00marks"] = fmt.Sprint(v.Marks(notes.ID))
	}
	return m
}

// named returns what a path with stars names in a document.
func named(doc any, lock []string) string {
	m := doc.(map[string]any)
	out := all(m["\x00typed"], lock)
	if len(lock) == 0 || lock[0] == "notes" {
		out += fmt.Sprint(m["\x00marks"])
	}
	return out
}

func all(v any, lock []string) string {
	if len(lock) == 0 {
		b, _ := json.Marshal(v)
		return string(b) + "\n"
	}
	var out strings.Builder
	switch v := v.(type) {
	case map[string]any:
		for _, k := range sortedKeys(v) {
			if lock[0] != "*" && k != lock[0] {
				continue
			}
			if s := all(v[k], lock[1:]); s != "" {
				out.WriteString(k + ":" + s)
			}
		}
	case []any:
		if lock[0] == "*" {
			for _, x := range v {
				out.WriteString(all(x, lock[1:]))
			}
		}
	}
	return out.String()
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
