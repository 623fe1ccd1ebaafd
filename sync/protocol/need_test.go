package protocol

import (
	"encoding/binary"
	"runtime"
	"testing"

	"concord/crdt"
)

// Looking for what is missing behind a full pool of orphans costs about as much
// as the pool holds, not its square.
func TestNeedBehindManyOrphans(t *testing.T) {
	const orphans, depsEach, most = 1000, 250, 64 << 20
	hash := func(n int) (h crdt.Hash) {
		binary.BigEndian.PutUint32(h[:], uint32(n))
		return h
	}
	heads, deps := make([]crdt.Hash, orphans), make(map[crdt.Hash][]crdt.Hash)
	for i := range heads {
		heads[i] = hash(i)
		for j := range depsEach {
			deps[heads[i]] = append(deps[heads[i]], hash(orphans+i*depsEach+j))
		}
	}
	doc := Document{Graph: crdt.NewGraph(), OrphanDeps: func(h crdt.Hash) []crdt.Hash { return deps[h] }}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	need := missing(doc, heads)
	runtime.ReadMemStats(&after)
	if len(need) != DefaultNeed || need[0] != hash(orphans) || heads[orphans-1] != hash(orphans-1) {
		t.Errorf("%d hashes are needed, want %d", len(need), DefaultNeed)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > most {
		t.Errorf("it allocated %d bytes, want at most %d", n, most)
	}
}
