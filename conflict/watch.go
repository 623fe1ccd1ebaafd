package conflict

import (
	"concord/store"
	"concord/sync/hub"
)

// Watch begins to watch a document whose op set has been brought into memory.
func (l *Ledger) Watch(key store.DocKey, src hub.Source) (hub.Watcher, error) {
	return &watcher{}, nil
}

type watcher struct{}

func (w *watcher) Applied(a hub.Applied) error { return nil }
func (w *watcher) Records() []store.Record     { return nil }
func (w *watcher) Size() int                   { return 0 }
