package documents

import (
	"context"
	"time"

	"concord/crdt"
	"concord/internal/id"
	"concord/store"
	"concord/sync/hub"
)

// Wanted says what of a document is to be read.
type Wanted struct {
	At   At
	Path string // JSON Pointer; "" = the whole document
	// Has reports whether the caller holds the state with a tag; then JSON stays empty. nil = it holds none.
	Has func(tag string) bool
}

// Content is a state of a document. Heads are those of the state.
type Content struct {
	Document
	JSON []byte            // what the path names; nil if the caller has it
	Last store.Attribution // who brought the latest change of the document, and when
}

// Get returns a document's content, or a part of it, in some state.
func (s *Service) Get(ctx context.Context, c Caller, doc id.DocumentID, w Wanted) (Content, error) {
	path, err := parsePointer(w.Path)
	if err == nil {
		err = s.mayRead(ctx, c, doc)
	}
	if err != nil {
		return Content{}, err
	}
	content := Content{Document: Document{ID: doc}}
	err = s.read(ctx, c, doc, []At{w.At}, func(_ hub.Reading, states []state) error {
		content.Heads = states[0].heads
		if w.Has != nil && w.Has(Tag(content.Heads)) {
			return nil
		}
		item, err := path.find(states[0].view)
		if err == nil {
			content.JSON = appendItem(nil, states[0].view, item)
		}
		return err
	})
	if err != nil {
		return Content{}, err
	}
	if len(content.JSON) > s.opts.MaxAnswer {
		return Content{}, refuse(ErrTooLarge, "the document has %d bytes as JSON, over the limit of %d; read parts of it with path, or export it", len(content.JSON), s.opts.MaxAnswer)
	}
	key := c.key(doc)
	if content.Type, content.Ref, err = s.keyOf(key); err != nil {
		return Content{}, err
	}
	info, _, err := s.info(key)
	content.Last = info.Last
	return content, err
}

// state is a document at some heads.
type state struct {
	heads []crdt.Hash
	view  crdt.View
}

// read calls fn with states of a document, see hub.Hub.Read.
func (s *Service) read(ctx context.Context, c Caller, doc id.DocumentID, at []At, fn func(hub.Reading, []state) error) error {
	prefixes := make([]int, len(at))
	for i, a := range at {
		if a.Heads != nil && !a.Time.IsZero() {
			return refuse(ErrInput, "a state is named by heads or by a time, not by both")
		}
		if !a.Time.IsZero() {
			var err error
			if prefixes[i], err = s.receivedBy(c.key(doc), a.Time); err != nil {
				return refused(doc, err)
			}
		}
	}
	err := s.hub.Read(ctx, c.key(doc), func(r hub.Reading) error {
		states := make([]state, len(at))
		for i, a := range at {
			var err error
			if states[i], err = stateOf(r, a, prefixes[i]); err != nil {
				return err
			}
		}
		return fn(r, states)
	})
	return refused(doc, err)
}

// stateOf returns a state of a document; prefix is how many changes there were
// at a.Time.
func stateOf(r hub.Reading, a At, prefix int) (state, error) {
	heads := a.Heads
	switch {
	case a.now():
		return state{r.Heads, r.View}, nil
	case heads == nil && prefix == 0:
		return state{}, refuse(ErrNotFound, "the document didn't exist at %s", a.Time.UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano))
	case heads == nil:
		heads = headsOf(r.Graph, min(prefix, r.Graph.Len()))
	}
	for _, h := range heads {
		if !r.Graph.Has(h) {
			return state{}, refuse(ErrNotFound, "the document has no change %s", h)
		}
	}
	view, err := r.At(heads)
	return state{heads, view}, err
}

// headsOf returns the heads of the first n changes of a graph.
func headsOf(g *crdt.Graph, n int) []crdt.Hash {
	followed := make([]bool, n)
	for i := range n {
		for _, d := range g.Dependencies(i) {
			followed[d] = true
		}
	}
	var heads []crdt.Hash
	for i, ok := range followed {
		if !ok {
			heads = append(heads, g.HashAt(i))
		}
	}
	crdt.SortHashes(heads)
	return heads
}

// receivedBy returns how many changes of a document, in the order of receipt,
// come up to the last one that was received by t.
func (s *Service) receivedBy(key store.DocKey, t time.Time) (n int, err error) {
	info, ok, err := s.store.Document(key)
	if err != nil || !ok {
		return 0, err
	}
	err = s.store.Attributions(key, 0, info.Changes, func(r store.Run) error {
		if !r.Received.After(t) {
			n = int(r.First + r.Count)
		}
		return nil
	})
	return n, err
}

// headsOfDocument returns a document's present heads, as they are stored.
func (s *Service) headsOfDocument(c Caller, doc id.DocumentID) ([]crdt.Hash, error) {
	info, ok, err := s.store.Document(c.key(doc))
	if err == nil && !ok {
		err = hub.ErrNotFound
	}
	return hashes(info.Heads), refused(doc, err)
}
