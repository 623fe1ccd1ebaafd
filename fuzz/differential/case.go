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
	rng     *rand.Rand // for choices besides the history
	views   [][]string
	ours    document
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
	if ours == theirs || ours == "" {
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
func (s *sample) prepare(views int) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = differ(fmt.Errorf("%v\n%s", p, debug.Stack()), "concord panics")
		}
	}()
	s.views = append(s.history.Views(s.rng, views), []string{})
	if err := s.ours.read(s.history.Changes, s.history.Delivery(s.rng), s.views); err != nil {
		return differ(err, "concord")
	}
	var again document
	if err := again.read(s.history.Changes, s.history.Delivery(s.rng), nil); err != nil {
		return differ(err, "concord in another order")
	}
	if err := compareText(s.ours.dump, again.dump); err != nil {
		return differ(err, "concord in another order: content")
	}
	return differ(compareHeads(s.ours.heads, again.heads), "concord in another order")
}

// request is the case for an engine that takes any order.
func (s *sample) request() oracle.Case {
	return oracle.Case{
		Changes: s.history.Bytes(), Batches: s.history.Delivery(s.rng),
		Load: s.ours.save, Views: s.views,
	}
}

// orderedRequest is the case for automerge-go, which can't begin with changes
// whose dependencies are missing.
func (s *sample) orderedRequest() oracle.Case {
	c := s.request()
	c.Batches, c.Load = s.history.InOrder(s.rng), nil
	return c
}

// compareJS compares with automerge-js, which says everything.
func (s *sample) compareJS(js oracle.Answer) error {
	if js.Error != "" {
		return differ(errors.New(js.Error), "automerge-js")
	}
	if js.Live != "" {
		return differ(compareText(js.Dump, js.Live), "automerge-js before and after saving")
	}
	checks := []error{
		differ(compareHeads(s.ours.heads, js.Heads), "automerge-js: heads"),
		differ(compareHeads(s.ours.heads, js.LiveHeads), "automerge-js: heads before saving"),
		differ(compareText(s.ours.dump, js.Dump), "automerge-js: content"),
	}
	for i := range s.views {
		checks = append(checks, differ(compareText(s.ours.views[i], js.Views[i]), "automerge-js: content at earlier heads"))
	}
	if err := firstOf(checks); err != nil {
		return err
	}
	if err := s.compareLoaded("automerge-js", js.Save); err != nil {
		return err
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
		differ(compareColumns(saved, saved), "concord loads from %s: columns", who),
	})
}

// compareGo compares with automerge-go, as far as that shows things.
func (s *sample) compareGo(g oracle.Answer) error {
	if g.Error != "" {
		return differ(errors.New(g.Error), "automerge-go")
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
