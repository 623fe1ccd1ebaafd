package conflict

import (
	"fmt"
	"sort"
	"time"

	"concord/sync/hub"
)

// told remembers who brought the changes that a watcher was told of: they may
// not be stored yet.
type told struct {
	first   int       // index of the first one
	runs    []toldRun // ascending
	claimed []int64   // seconds since 1970, by change
}

type toldRun struct {
	first        int
	user, device string
	received     time.Time
}

func (t *told) add(a *hub.Applied) error {
	if len(t.claimed) == 0 {
		t.first = a.Index
	}
	if want := t.first + len(t.claimed); a.Index != want {
		return fmt.Errorf("change %d was told, not %d", a.Index, want)
	}
	last := len(t.runs) - 1
	if last < 0 || t.runs[last].user != a.User || t.runs[last].device != a.Device || !t.runs[last].received.Equal(a.Received) {
		t.runs = append(t.runs, toldRun{a.Index, a.User, a.Device, a.Received})
	}
	t.claimed = append(t.claimed, a.Change.Time)
	return nil
}

func (t *told) size() int {
	const perRun = 80 // names are shared
	return perRun*cap(t.runs) + 8*cap(t.claimed)
}

// author is who brought a change, and when it says that it was made.
type author struct {
	user, device string
	received     time.Time
	claimed      int64
}

// authorOf returns who brought change i.
func (w *watcher) authorOf(i int) (author, error) {
	if t := &w.told; i >= t.first && len(t.claimed) > 0 {
		r := t.runs[sort.Search(len(t.runs), func(n int) bool { return t.runs[n].first > i })-1]
		return author{r.user, r.device, r.received, t.claimed[i-t.first]}, nil
	}
	user, device, received, err := w.src.Attribution(i)
	if err != nil {
		return author{}, err
	}
	claimed, err := w.src.ClaimedTime(i)
	return author{user, device, received, claimed}, err
}
