package hub

import (
	"context"

	"concord/crdt"
	"concord/store"
)

// Reading is a document's state. It is valid during the function that it is given to.
type Reading struct {
	Graph   *crdt.Graph
	Content *crdt.OpSet
	Heads   []crdt.Hash
	View    crdt.View // at Heads
}

// At returns the content at earlier heads. It fails for unknown ones.
func (r Reading) At(heads []crdt.Hash) (crdt.View, error) {
	clock, err := r.Graph.Clock(heads)
	if err != nil {
		return crdt.View{}, err
	}
	return r.Content.At(clock), nil
}

// Read gives fn what is durable of a document. Nothing else is done with the document meanwhile, so that fn must be
// quick: take what is needed and encode it afterwards. It must not call the hub. fn's error is returned as it is.
func (h *Hub) Read(ctx context.Context, key store.DocKey, fn func(Reading) error) error {
	return ErrNotFound
}
