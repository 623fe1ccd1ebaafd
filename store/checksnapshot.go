package store

import "bytes"

// snapshotPlaces are cursors over the buckets of snapshots, in the order of documents.
type snapshotPlaces struct{ records, parts, trims *place }

func (k *recordChecker) startSnapshots() snapshotPlaces {
	return snapshotPlaces{k.start(snapshotsBucket), k.start(snapshotPartsBucket), k.start(snapshotTrimsBucket)}
}

// orphans reports the records that come before a document and so belong to none; nil is the end.
func (p snapshotPlaces) orphans(k *recordChecker, before []byte) error {
	if err := k.orphans(p.records, snapshotsBucket, before); err != nil {
		return err
	}
	if err := k.orphans(p.parts, snapshotPartsBucket, before); err != nil {
		return err
	}
	return k.orphans(p.trims, snapshotTrimsBucket, before)
}

// covered is what the check of a document's snapshot has found.
type covered struct {
	snapshotRecord
	sound   bool // there is no snapshot, or one that can be read
	trimmed bool // no records of covered changes should be left
}

// documentSnapshot checks the snapshot of one document. A verifier goes on from it.
func (k *recordChecker) documentSnapshot(key []byte, p snapshotPlaces, verifier DocumentVerifier) (c covered, err error) {
	c.sound, c.trimmed = true, true
	if bytes.Equal(p.trims.key, key) {
		c.trimmed = false
		k.unsealed(snapshotTrimsBucket, key, p.trims.v)
		p.trims.next()
		if err := k.step(); err != nil {
			return c, err
		}
	}
	if bytes.Equal(p.records.key, key) {
		payload, ok := k.unsealed(snapshotsBucket, key, p.records.v)
		if ok {
			c.snapshotRecord, ok = decodeSnapshot(payload)
			k.malformed(snapshotsBucket, key, !ok)
		}
		c.sound = ok
		p.records.next()
		if err := k.step(); err != nil {
			return c, err
		}
	}
	own := generationKey(key, c.generation)
	stale, err := k.staleParts(key, own, true, c, p.parts)
	if err != nil {
		return c, err
	}
	var chunk, graph []byte
	for _, part := range []struct {
		kind byte
		size uint64
		to   *[]byte
	}{{chunkPart, c.chunk, &chunk}, {graphPart, c.graph, &graph}} {
		ok, err := k.documentParts(own, part.kind, part.size, p.parts, part.to)
		if err != nil {
			return c, err
		}
		c.sound = c.sound && ok
	}
	more, err := k.staleParts(key, own, false, c, p.parts)
	if err != nil {
		return c, err
	}
	if !c.trimmed && c.changes == 0 && stale+more == 0 {
		k.fault(snapshotTrimsBucket, key, adviceReport, "document to trim has no snapshot")
	}
	if c.changes == 0 || !c.sound {
		return c, nil
	}
	k.report.Snapshots++
	if verifier != nil {
		if err := verifier.Start(Snapshot{Changes: c.changes, Chunk: chunk, Graph: graph}); err != nil {
			k.fault(snapshotsBucket, key, adviceReport, "snapshot isn't that of %d changes: %v", c.changes, err)
			c.sound = false
		}
	}
	return c, nil
}

// documentParts puts chunk or graph together; ok is false, and the fault reported, when it isn't whole.
func (k *recordChecker) documentParts(key []byte, kind byte, size uint64, p *place, to *[]byte) (ok bool, err error) {
	prefix := append(bytes.Clone(key), kind)
	ok = true
	for n := 0; bytes.HasPrefix(p.key, prefix); p.next() {
		if err := k.step(); err != nil {
			return false, err
		}
		want := appendPartKey(nil, key, kind, n)
		if !bytes.Equal(p.key, want) {
			k.fault(snapshotPartsBucket, p.key, adviceRestore, "record %x comes before this one, and is missing", want)
			return false, nil
		}
		n++
		payload, sealed := k.unsealed(snapshotPartsBucket, p.key, p.v)
		ok = ok && sealed
		*to = append(*to, payload...)
	}
	if ok && uint64(len(*to)) != size {
		k.fault(snapshotsBucket, key[:documentKeySize], adviceRestore, "snapshot has %d bytes of %s, %d are stored", size, partName(kind), len(*to))
		ok = false
	}
	return ok, nil
}

func partName(kind byte) string {
	if kind == chunkPart {
		return "chunk"
	}
	return "graph"
}

// staleParts checks the parts of a document that stand before those of its snapshot, or all that are left, and returns
// how many may stay until they are trimmed: a former snapshot's, or those of one that was never finished.
func (k *recordChecker) staleParts(key, own []byte, before bool, c covered, p *place) (stale int, err error) {
	for ; bytes.HasPrefix(p.key, key) && (!before || bytes.Compare(p.key, own) < 0); p.next() {
		switch {
		case len(p.key) != partKeySize:
			k.fault(snapshotPartsBucket, p.key, adviceReport, "key is malformed")
		case c.sound && (c.trimmed || bytes.HasPrefix(p.key, own)):
			k.fault(snapshotPartsBucket, p.key, adviceReport, "record belongs to no snapshot")
		default:
			k.unsealed(snapshotPartsBucket, p.key, p.v)
			stale++
		}
		if err := k.step(); err != nil {
			return stale, err
		}
	}
	return stale, nil
}

// leftovers checks the records of changes that the snapshot covers, and counts none of them.
func (k *recordChecker) leftovers(key []byte, c covered, p *place) error {
	reported := false
	for ; bytes.HasPrefix(p.key, key) && len(p.key) == indexedKeySize && u64(p.key[documentKeySize:]) < c.changes; p.next() {
		if c.trimmed && !reported {
			k.fault(changesBucket, p.key, adviceUnused, "the snapshot covers the changes below %d", c.changes)
			reported = true
		}
		k.change(p)
		if err := k.step(); err != nil {
			return err
		}
	}
	return nil
}
