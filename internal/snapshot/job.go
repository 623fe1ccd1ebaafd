package snapshot

import (
	"context"
	"errors"
	"fmt"

	"concord/crdt"
	"concord/store"
)

// job is the snapshot of one document in the making.
type job struct {
	pool    *Pool
	key     store.DocKey
	info    store.Info
	written bool
	in, out uint64 // bytes
}

// document is what a job builds: the content of a document with all its changes.
type document interface {
	Apply(changes ...*crdt.Change) error
	Save() []byte // a chunk with the changes in the order in which they were applied
}

// openFunc returns the document that a chunk holds; an empty one for nil.
type openFunc func(chunk []byte) (document, error)

// run writes a snapshot if one is due. A panic over a document is an error of that document.
func (j *job) run(ctx context.Context, cold bool) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	info, found, err := j.pool.store.Document(j.key)
	if err != nil || !found {
		return err
	}
	j.info = info
	if !j.pool.Due(info, cold) || j.pool.hopeless(j.key, info.Changes) {
		return nil
	}
	doc, graph, err := j.read(ctx)
	if err != nil {
		return err
	}
	snap := store.Snapshot{Changes: uint64(graph.Len()), Chunk: doc.Save(), Graph: graph.AppendRecord(nil)}
	// From here on the document may be freed: the proof needs the chunk and the graph alone.
	if err := prove(snap.Chunk, graph); err != nil {
		return fmt.Errorf("the encoded document isn't the stored one: %w", err)
	}
	if err := sameRecord(snap.Graph, graph); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return j.put(ctx, snap, graph)
}

// sameRecord proves that a graph's record gives its hashes back.
func sameRecord(record []byte, graph *crdt.Graph) error {
	restored, err := crdt.RestoreGraph(record)
	if err != nil {
		return err
	}
	same := restored.Len() == graph.Len()
	for i := 0; same && i < graph.Len(); i++ {
		same = restored.HashAt(i) == graph.HashAt(i)
	}
	if !same {
		return errors.New("the graph's record isn't that of the stored changes")
	}
	return nil
}

// read builds the document, and beside it the graph from what the store says of each change.
func (j *job) read(ctx context.Context) (document, *crdt.Graph, error) {
	graph := crdt.NewGraph()
	snap, found, err := j.pool.store.Snapshot(j.key)
	if err != nil {
		return nil, nil, err
	}
	if found {
		j.in += uint64(len(snap.Chunk) + len(snap.Graph))
		if graph, err = crdt.RestoreGraph(snap.Graph); err != nil {
			return nil, nil, err
		}
		if uint64(graph.Len()) != snap.Changes {
			return nil, nil, fmt.Errorf("snapshot of %d changes has a graph of %d", snap.Changes, graph.Len())
		}
	}
	doc, err := j.pool.o.open(snap.Chunk)
	if err != nil {
		return nil, nil, fmt.Errorf("decode snapshot: %w", err)
	}
	for uint64(graph.Len()) < j.info.Changes {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		if err := j.readSpan(doc, graph); err != nil {
			return nil, nil, err
		}
	}
	return doc, graph, nil
}

// A span of changes is read in one transaction and copied, so that no transaction is open for long.
const (
	spanChanges = 1024
	spanBytes   = 1 << 20
)

var errSpanEnd = errors.New("end of a span")

// readSpan applies the next changes.
func (j *job) readSpan(doc document, graph *crdt.Graph) error {
	first := uint64(graph.Len())
	var hashes []crdt.Hash
	var ends []int
	var bytes []byte
	err := j.pool.store.Changes(j.key, first, min(first+spanChanges, j.info.Changes), func(_ uint64, c store.Change) error {
		hashes = append(hashes, crdt.Hash(c.Hash))
		bytes = append(bytes, c.Bytes...)
		ends = append(ends, len(bytes))
		if len(bytes) >= spanBytes {
			return errSpanEnd
		}
		return nil
	})
	if err != nil && !errors.Is(err, errSpanEnd) {
		return err
	}
	if len(ends) == 0 {
		return fmt.Errorf("change %d is missing", first)
	}
	j.in += uint64(len(bytes))
	start := 0
	for i, end := range ends {
		change, err := crdt.ParseChange(bytes[start:end:end], storedLimits)
		if err == nil && change.Hash != hashes[i] {
			err = fmt.Errorf("its hash is %s", change.Hash)
		}
		if err == nil {
			err = graph.Restore(change.Header())
		}
		if err == nil {
			err = doc.Apply(change)
		}
		if err != nil {
			return fmt.Errorf("change %d: %w", first+uint64(i), err)
		}
		start = end
	}
	return nil
}

// put hands the snapshot to the store and waits until it is durable.
func (j *job) put(ctx context.Context, snap store.Snapshot, graph *crdt.Graph) error {
	hash := func(i uint64) store.Hash { return store.Hash(graph.HashAt(int(i))) }
	stored := make(chan error, 1)
	if err := j.pool.store.PutSnapshot(ctx, j.key, snap, hash, func(err error) { stored <- err }); err != nil {
		return err
	}
	if err := <-stored; err != nil {
		return err
	}
	j.written = true
	j.out += uint64(len(snap.Chunk) + len(snap.Graph))
	return nil
}
