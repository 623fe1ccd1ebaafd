package differential

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"

	"concord/crdt"
	"concord/fuzz/history"
	"concord/fuzz/oracle"
)

// sample is one case: a history, and what every engine is asked about it.
type sample struct {
	source  string
	history *history.History
	views   [][]string // earlier heads

	// The orders in which the documents get the changes.
	first, second, js, golang [][]int

	ours document
}

// newSample draws what is asked about a history.
func newSample(source string, h *history.History, rng *rand.Rand, views int) *sample {
	return &sample{
		source: source, history: h, views: append(h.Views(rng, views), []string{}),
		first: h.Delivery(rng), second: h.Delivery(rng), js: h.Delivery(rng), golang: h.InOrder(rng),
	}
}

// of is the same sample of a part of the history. Changes are known by their
// actor and seq, since a smaller history has other hashes.
func (s *sample) of(part *history.History) *sample {
	type name struct {
		actor crdt.ActorID
		seq   uint32
	}
	at, hash := map[name]int{}, map[string]string{}
	for i, c := range part.Changes {
		at[name{c.Actor, c.Seq}] = i
	}
	for _, c := range s.history.Changes {
		if i, ok := at[name{c.Actor, c.Seq}]; ok {
			hash[c.Hash.String()] = part.Changes[i].Hash.String()
		}
	}
	keep := func(batches [][]int) [][]int {
		kept := [][]int{}
		for _, batch := range batches {
			list := []int{}
			for _, i := range batch {
				c := s.history.Changes[i]
				if j, ok := at[name{c.Actor, c.Seq}]; ok {
					list = append(list, j)
				}
			}
			kept = append(kept, list)
		}
		return kept
	}
	t := &sample{source: s.source, history: part, first: keep(s.first), second: keep(s.second), js: keep(s.js), golang: keep(s.golang)}
	for _, heads := range s.views {
		list := []string{}
		for _, h := range heads {
			if now, ok := hash[h]; ok {
				list = append(list, now)
			}
		}
		t.views = append(t.views, list)
	}
	return t
}

// difference is what two engines, or two ways to the same document, disagree on.
type difference struct {
	what string // fit for counting: says who and about what
	err  error
}

func (d *difference) Error() string { return d.what + ": " + d.err.Error() }

func differ(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &difference{fmt.Sprintf(format, args...), err}
}

// compareText compares dumps.
func compareText(ours, theirs string) error {
	if ours == theirs {
		return nil
	}
	return compareLines(strings.Split(ours, "\n"), strings.Split(theirs, "\n"))
}

func compareHeads(ours, theirs []string) error {
	if slices.Equal(ours, theirs) {
		return nil
	}
	return fmt.Errorf("heads %v, theirs are %v", ours, theirs)
}

// prepare works out what crdt makes of the history, in an order of its own.
func (s *sample) prepare() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = differ(fmt.Errorf("%v\n%s", p, debug.Stack()), "concord panics")
		}
	}()
	if err := s.ours.read(s.history.Changes, s.first, s.views); err != nil {
		return differ(err, "concord")
	}
	var again document
	if err := again.read(s.history.Changes, s.second, nil); err != nil {
		return differ(err, "concord in another order")
	}
	if err := compareText(s.ours.dump, again.dump); err != nil {
		return differ(err, "concord in another order: content")
	}
	return differ(compareHeads(s.ours.heads, again.heads), "concord in another order")
}

// request is the case for automerge-js.
func (s *sample) request() oracle.Case {
	return oracle.Case{Changes: s.history.Bytes(), Batches: s.js, Load: s.ours.save, Views: s.views}
}

// orderedRequest is the case for automerge-go, which can't begin with changes
// whose dependencies are missing.
func (s *sample) orderedRequest() oracle.Case {
	return oracle.Case{Changes: s.history.Bytes(), Batches: s.golang, Views: s.views}
}

// faultsOfJS are errors of automerge-js 3.5 on changes that it loads from a
// document without trouble.
var faultsOfJS = []string{
	// A text element with two values, of which the lesser one is deleted.
	"exposed value must record the value it replaces",
}

// compareJS compares with automerge-js, which says everything.
func (s *sample) compareJS(js oracle.Answer) error {
	if js.Error != "" {
		return differ(errors.New(js.Error), "automerge-js fails: %s", js.Error)
	}
	if js.Live != "" {
		return differ(compareText(js.Dump, js.Live), "automerge-js before and after saving")
	}
	if js.LiveError != "" && !slices.Contains(faultsOfJS, js.LiveError) {
		return differ(errors.New(js.LiveError), "automerge-js fails: %s", js.LiveError)
	}
	checks := []error{
		differ(compareHeads(s.ours.heads, js.Heads), "automerge-js: heads"),
		differ(compareText(s.ours.dump, js.Dump), "automerge-js: content"),
	}
	for i := range s.views {
		checks = append(checks, differ(compareText(s.ours.views[i], js.Views[i]), "automerge-js: content at earlier heads"))
	}
	if err := firstOf(checks); err != nil {
		return err
	}
	if js.LiveError == "" {
		if err := firstOf([]error{
			differ(compareHeads(s.ours.heads, js.LiveHeads), "automerge-js: heads before saving"),
			s.compareLoaded("automerge-js", js.Save),
		}); err != nil {
			return err
		}
	}
	if js.Loaded == nil {
		return nil
	}
	if js.Loaded.Error != "" {
		return differ(errors.New(js.Loaded.Error), "automerge-js loads our document")
	}
	return firstOf([]error{
		differ(compareHeads(s.ours.heads, js.Loaded.Heads), "automerge-js loads our document: heads"),
		differ(compareText("", js.Loaded.Dump), "automerge-js loads our document: content"),
		differ(compareColumns(s.ours.save, js.Loaded.Save), "automerge-js loads our document: columns"),
	})
}

// compareLoaded loads a document that another engine saved, and compares what
// it says and how it is saved again.
func (s *sample) compareLoaded(who string, saved []byte) error {
	var d document
	if err := d.load(saved); err != nil {
		return differ(err, "concord loads from %s", who)
	}
	return firstOf([]error{
		differ(compareHeads(d.heads, s.ours.heads), "concord loads from %s: heads", who),
		differ(compareText(d.dump, s.ours.dump), "concord loads from %s: content", who),
		differ(compareColumns(d.save, saved), "concord loads from %s: columns", who),
	})
}

// compareGo compares with automerge-go, as far as that shows things.
func (s *sample) compareGo(g oracle.Answer) error {
	if g.Error != "" {
		return differ(errors.New(g.Error), "automerge-go fails: %s", g.Error)
	}
	checks := []error{
		differ(compareHeads(s.ours.heads, g.Heads), "automerge-go: heads"),
		differ(compareText(oracle.Plain(s.ours.dump), g.Dump), "automerge-go: content"),
	}
	for i := range s.views {
		checks = append(checks, differ(compareText(oracle.Plain(s.ours.views[i]), g.Views[i]), "automerge-go: content at earlier heads"))
	}
	if err := firstOf(checks); err != nil {
		return err
	}
	return s.compareLoaded("automerge-go", g.Save)
}

func firstOf(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func hexes(hashes []crdt.Hash) []string {
	list := []string{}
	for _, h := range hashes {
		list = append(list, hex.EncodeToString(h[:]))
	}
	return list
}
