package hub

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"concord/crdt"
	"concord/store"
)

// moment is a document between two changes that are staged. It goes on with each
// of them: to work it out takes a look at all heads and actors.
type moment struct {
	heads []crdt.Hash // sorted; never modified
	view  crdt.View   // of what is there, whatever comes later; only while a guard judges
}

// look works out the moment at which a staging begins.
func (s *staging) look() {
	d := s.document
	d.looks++
	s.now = &moment{heads: d.graph.StagedHeads()}
	if s.guard != nil {
		s.now.view = d.ops.At(d.graph.StagedClock())
	}
}

// pass takes the moment past a change that was applied.
func (m *moment) pass(c *crdt.Change, judged bool) {
	heads := append(make([]crdt.Hash, 0, len(m.heads)+1), m.heads...)
	for _, h := range c.Deps {
		if i, ok := slices.BinarySearchFunc(heads, h, crdt.Hash.Compare); ok {
			heads = slices.Delete(heads, i, i+1)
		}
	}
	i, _ := slices.BinarySearchFunc(heads, c.Hash, crdt.Hash.Compare)
	m.heads = slices.Insert(heads, i, c.Hash)
	if judged {
		m.view = m.view.With(c)
	}
}

// beforeDiff prepares what guards and derivations need to know of a change that
// is about to be applied, and returns the content before it for guards.
func (s *staging) beforeDiff(a *Applied) (before crdt.View) {
	d := s.document
	if s.guard != nil {
		a.Before, before = s.now.heads, s.now.view
		s.transit(before)
	} else {
		s.transit(d.ops.View())
	}
	if s.guard == nil && s.transition == nil {
		return before
	}
	if d.diff == nil {
		d.diff = new(crdt.Diff)
	}
	a.Diff = d.diff
	return before
}

// tell tells the watchers of a change that was applied.
func (s *staging) tell(a Applied, before crdt.View) error {
	if w := s.document.watcher; w != nil {
		if err := w.Applied(a); err != nil {
			return fmt.Errorf("%w: change %s: %w", errWatch, a.Change.Hash, err)
		}
	}
	if s.transition != nil {
		s.transition.Applied(a)
	}
	if s.guard != nil {
		s.violations = append(s.violations, s.guard.Judge(a, before)...)
	}
	return nil
}

// answer stages what the server changes back of what was staged. An answer that
// can't be made is logged: the changes stand.
func (s *staging) answer() error {
	if len(s.violations) == 0 {
		return nil
	}
	d := s.document
	answer := s.guard.Answer(s.violations)
	s.guard = nil // answers aren't judged
	if answer == nil {
		return nil
	}
	c, err := s.compose(answer.Message, false, answer.Write)
	if err == nil && c != nil {
		err = s.admit(sender{user: server, device: d.hub.id}, c)
		s.answered = err == nil
	}
	if errors.Is(err, errWatch) {
		return err
	}
	if err != nil {
		d.hub.log.Error("guard can't answer", "company", d.key.Company, "document", d.key.Document.String(), "error", err)
		return nil
	}
	s.audit = append(s.audit, answer.Audit...)
	if answer.Records != nil {
		var hash crdt.Hash
		if c != nil {
			hash = c.Hash
		}
		s.records = append(s.records, answer.Records(hash)...)
	}
	return nil
}

// changeSource is what a watcher may ask of stored changes.
type changeSource struct {
	document *document
	times    []int64 // that the changes in the snapshot claim; nil = not read yet
}

func (s *changeSource) Attribution(i int) (user, device string, received time.Time, err error) {
	err = s.document.hub.store.Attributions(s.document.key, uint64(i), uint64(i)+1, func(r store.Run) error {
		user, device, received = r.User, r.Device, r.Received
		return nil
	})
	if err == nil && user == "" {
		err = fmt.Errorf("attribution of change %d: %w", i, store.ErrNotFound)
	}
	return user, device, received, err
}

// ClaimedTime reads the times of all changes in the snapshot at the first
// question for one of them.
func (s *changeSource) ClaimedTime(i int) (claimed int64, err error) {
	if i < len(s.times) {
		return s.times[i], nil
	}
	d := s.document
	err = unreplaced(func() error {
		b, err := d.hub.store.Change(d.key, uint64(i))
		if errors.Is(err, store.ErrInSnapshot) {
			if s.times, err = d.snapshotTimes(); err == nil && i >= len(s.times) {
				err = store.ErrInSnapshot
			}
			if err == nil {
				claimed = s.times[i]
			}
			return err
		}
		if err != nil {
			return err
		}
		c, err := crdt.ReadStoredChange(b, crdt.Hash{})
		if err == nil {
			claimed = c.Time
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("read time of change %d: %w", i, err)
	}
	return claimed, nil
}

// snapshotTimes returns the times that the changes in the snapshot claim.
func (d *document) snapshotTimes() ([]int64, error) {
	var covered uint64
	b, err := d.snapshotChunk(&covered)
	if err != nil {
		return nil, err
	}
	chunk, _, err := crdt.NextChunk(b)
	times := make([]int64, 0, covered)
	if err == nil {
		err = chunk.ReadChangeInfo(storedLimits, func(_ int, at int64, _ []byte) error {
			times = append(times, at)
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w: %v", store.ErrCorrupt, err)
	}
	return times, nil
}
