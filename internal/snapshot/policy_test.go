package snapshot

import (
	"testing"

	"concord/store"
)

func TestDue(t *testing.T) {
	info := func(covered, tail, snapshotBytes, tailBytes uint64) store.Info {
		return store.Info{Changes: covered + tail, SnapshotChanges: covered, SnapshotBytes: snapshotBytes, TailBytes: tailBytes}
	}
	for name, c := range map[string]struct {
		info      store.Info
		hot, cold bool
	}{
		"no document":                     {info(0, 0, 0, 0), false, false},
		"nothing after the snapshot":      {info(300, 0, 900, 0), false, false},
		"a few changes":                   {info(0, 15, 0, 2000), false, false},
		"some changes":                    {info(0, 16, 0, 2000), false, true},
		"first snapshot is near":          {info(0, 255, 0, 30_000), false, true},
		"first snapshot":                  {info(0, 256, 0, 30_000), true, true},
		"large document":                  {info(50_000, 12_499, 120_000, 900_000), false, true},
		"large document has grown":        {info(50_000, 12_500, 120_000, 900_000), true, true},
		"small part of a large document":  {info(50_000, 96, 120_000, 12_500), false, false},
		"cold tail that weighs":           {info(50_000, 97, 120_000, 12_500), false, true},
		"cold tail that doesn't weigh":    {info(50_000, 97, 120_000, 12_000), false, false},
		"large changes":                   {info(10, 3, 1<<18, 1<<20), true, true},
		"large changes, larger snapshot":  {info(100, 3, 1<<20, 2<<20), false, false},
		"one huge change":                 {info(0, 1, 0, 5<<20), true, true},
		"record that contradicts another": {store.Info{Changes: 3, SnapshotChanges: 5}, false, false},
	} {
		if hot, cold := (Policy{}).Due(c.info, false), (Policy{}).Due(c.info, true); hot != c.hot || cold != c.cold {
			t.Errorf("%s: due %v, cold %v; want %v, %v", name, hot, cold, c.hot, c.cold)
		}
	}
}

// However long a history gets, the changes that all its snapshots have covered together stay within a multiple of it.
func TestCostPerChangeIsBounded(t *testing.T) {
	p := Policy{}.withDefaults()
	for _, changes := range []uint64{1_000, 30_000, 1_000_000} {
		var info store.Info
		work := uint64(0)
		for info.Changes < changes {
			info.Changes++
			info.TailBytes += 130
			if p.Due(info, false) {
				work += info.Changes
				info.SnapshotChanges, info.TailBytes, info.SnapshotBytes = info.Changes, 0, 3*info.Changes
			}
		}
		if limit := (p.Growth + 1) * changes; work > 3*limit {
			t.Errorf("%d changes: snapshots covered %d in all", changes, work)
		}
	}
}
