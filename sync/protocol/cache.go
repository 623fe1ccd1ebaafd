package protocol

import (
	"crypto/sha256"

	"concord/crdt"
)

// Cache lets the peers of one document that are in the same state share one
// encoded message. It empties itself when the document has more changes than
// before. It is not safe for concurrent use; the document's lock guards it. The
// zero value is ready for use, and nil caches nothing.
//
// It may hold up to 16 MiB of messages; an idle document should do without.
type Cache struct {
	length    int // of the graph to which the entries belong
	entries   map[string]*cacheEntry
	bytes     int // of the entries' messages
	encodings uint64
	key       []byte // scratch
}

// Bounds of a cache.
const (
	maxCacheEntries = 1024
	maxCacheBytes   = 16 << 20
	maxCacheKey     = 512 // longer keys are replaced by their SHA-256
)

// cacheEntry is a message on its way: which changes, then their bytes.
type cacheEntry struct {
	selected bool
	plan     plan // changes are dropped once encoded
	sent     spans
	out      *Encoded
}

// Encodings returns how many messages were encoded through this cache.
func (c *Cache) Encodings() uint64 { return c.encodings }

// Size returns the bytes of the messages that the cache holds.
func (c *Cache) Size() int { return c.bytes }

// entry returns the entry for the given inputs, perhaps new.
func (c *Cache) entry(g Graph, in *inputs) *cacheEntry {
	if c == nil {
		return &cacheEntry{}
	}
	if n := g.Len(); n != c.length || len(c.entries) >= maxCacheEntries || c.bytes > maxCacheBytes {
		clear(c.entries)
		c.length, c.bytes = n, 0
	}
	c.key = in.appendKey(c.key[:0])
	if len(c.key) > maxCacheKey {
		sum := sha256.Sum256(c.key)
		c.key = append(c.key[:0], sum[:]...)
	}
	if e := c.entries[string(c.key)]; e != nil {
		return e
	}
	if c.entries == nil {
		c.entries = make(map[string]*cacheEntry)
	}
	e := &cacheEntry{}
	c.entries[string(c.key)] = e
	return e
}

// encoded counts a message that was put into an entry.
func (c *Cache) encoded(e *cacheEntry) {
	if c != nil {
		c.encodings++
		c.bytes += len(e.out.Bytes)
	}
}

// appendKey writes all inputs in a form that no other inputs share.
func (in *inputs) appendKey(key []byte) []byte {
	var bits byte
	for i, set := range [...]bool{in.hideHeads, in.withhold, in.exact, in.send, in.peerEmpty, in.flags != nil} {
		if set {
			bits |= 1 << i
		}
	}
	key = append(key, byte(in.version), bits)
	key = appendBytes(key, in.flags)
	key = appendUleb(key, uint64(in.changeBytes))
	for _, hs := range [...][]crdt.Hash{in.shared, in.need, in.theirNeed} {
		key = appendHashes(key, hs)
	}
	key = appendUleb(key, uint64(len(in.theirHave)))
	for i := range in.theirHave {
		key = appendHashes(key, in.theirHave[i].LastSync)
		key = appendBytes(key, in.theirHave[i].Bloom.raw)
	}
	for _, s := range in.sent {
		key = appendUleb(appendUleb(key, uint64(s.lo)), uint64(s.hi))
	}
	return key
}
