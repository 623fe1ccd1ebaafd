package differential

import (
	"errors"
	"testing"

	"concord/crdt"
	"concord/fuzz/oracle"
)

// A document goes to automerge-js and comes back: it says the same there and
// after, now and at 200 earlier heads. ROUNDTRIP_DOCUMENTS is how many documents.
func TestRoundTrip(t *testing.T) {
	seed, documents := setting(t, "DIFFERENTIAL_SEED", 1), setting(t, "ROUNDTRIP_DOCUMENTS", 5)
	e, err := startEngines()
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	t.Logf("seed %d, %d documents", seed, documents)
	changes := 0
	for i := range documents {
		s, err := e.bigSample(seed, i)
		if err != nil {
			t.Fatalf("document %d: %v", i, err)
		}
		changes += len(s.history.Changes)
		if err := e.roundTrip(s); err != nil {
			t.Errorf("document %d of seed %d, %s: %v", i, seed, s.source, err)
		}
	}
	t.Logf("%d documents of %d changes", documents, changes)
}

func (e engines) roundTrip(s *sample) error {
	if err := s.ours.read(s.history.Changes, s.first, s.views); err != nil {
		return differ(err, "concord")
	}
	answers, err := e.js.Cases([]oracle.Case{{Load: s.ours.save, Views: s.views}})
	if err != nil {
		return err
	}
	js := answers[0]
	if js.Error != "" {
		return differ(errors.New(js.Error), "automerge-js")
	}
	var back document
	if back.doc, err = crdt.Load(js.Save, crdt.Limits{}); err == nil {
		err = back.describe(s.views)
	}
	checks := []error{
		differ(err, "back from automerge-js"),
		differ(compareHeads(s.ours.heads, js.Heads), "automerge-js: heads"),
		differ(compareText(s.ours.dump, js.Dump), "automerge-js: content"),
		differ(compareColumns(s.ours.save, js.Save), "automerge-js: columns"),
		differ(compareHeads(s.ours.heads, back.heads), "back: heads"),
		differ(compareText(s.ours.dump, back.dump), "back: content"),
		differ(compareColumns(s.ours.save, back.save), "back: columns"),
	}
	if err := firstOf(checks); err != nil {
		return err
	}
	for i, heads := range s.views {
		if err := firstOf([]error{
			differ(compareText(s.ours.views[i], js.Views[i]), "automerge-js: content at %v", heads),
			differ(compareText(s.ours.views[i], back.views[i]), "back: content at %v", heads),
		}); err != nil {
			return err
		}
	}
	return nil
}
