package crdt

import "fmt"

// WalkChunks calls visit for each chunk of a concatenation, which is what files
// and sync messages are; nothing at all is a valid one. Before the first call
// it has seen that b is made of whole chunks of types that can be read:
// documents and changes, compressed or not. An error says which chunk it is
// about, by number and by byte, and wraps a *RefusalError or what visit returned.
func WalkChunks(b []byte, visit func(Chunk) error) error {
	if err := walkChunks(b, Chunk.checkType); err != nil {
		return err
	}
	return walkChunks(b, visit)
}

func walkChunks(b []byte, visit func(Chunk) error) error {
	for i, rest := 0, b; len(rest) > 0; i++ {
		at := len(b) - len(rest)
		c, next, err := NextChunk(rest)
		if err == nil {
			err = visit(c)
		}
		if err != nil {
			return fmt.Errorf("chunk %d at byte %d: %w", i, at, err)
		}
		rest = next
	}
	return nil
}

func (c Chunk) checkType() error {
	switch c.Type {
	case ChunkDocument, ChunkChange, ChunkCompressed:
		return nil
	case ChunkBundle:
		return refuse(ReasonBundleChunk, "bundles are experimental and can't be read")
	}
	return refuse(ReasonUnknownChunk, "unknown chunk type %d", c.Type)
}

// ParseChunks parses a concatenation of chunks and calls visit with every change
// in it: those of documents rebuilt, as by Chunk.ParseDocument, and those of
// change chunks. Dependencies come first within a document only; changes may
// stand before their dependencies or without them, as orphans do. visit may be
// nil.
//
// An error, which says which chunk it is about, makes void what visit has been
// told before: callers gather changes first and apply them after the last one.
func ParseChunks(b []byte, lim Limits, visit func(DocumentChange) error) error {
	return WalkChunks(b, func(c Chunk) error {
		if c.Type == ChunkDocument {
			_, err := c.ParseDocument(lim, visit)
			return err
		}
		ch, err := c.ParseChange(lim)
		if err != nil || visit == nil {
			return err
		}
		return visit(DocumentChange{
			Header: ch.Header(), Time: ch.Time, Message: []byte(ch.Message), Extra: ch.Extra, Raw: ch.Bytes(),
		})
	})
}
