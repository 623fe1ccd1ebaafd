package hub

import "time"

// evictSample is how many documents are looked at to find one to unload: the
// one unused for the longest of a random sample is old enough.
const evictSample = 32

// cached notes that a document's memory has grown by some bytes to a size. The
// document's lock is held.
func (h *Hub) cached(d *document, grown, size int64) {
	if grown == size || size == 0 { // it was not in memory, or is not any more
		h.mu.Lock()
		if size > 0 {
			h.loaded[d] = struct{}{}
		} else {
			delete(h.loaded, d)
		}
		h.mu.Unlock()
	}
	if h.memory.Add(grown) > h.opts.DocumentCache && grown > 0 {
		d.heatLocked()
		h.wakeSweep()
	}
}

// heatLocked notes that a document has something to save or to free.
func (d *document) heatLocked() {
	if d.hot {
		return
	}
	d.hot = true
	d.hub.mu.Lock()
	defer d.hub.mu.Unlock()
	d.hub.hot[d] = struct{}{}
}

func (h *Hub) wakeSweep() {
	select {
	case h.evictNow <- struct{}{}:
	default:
	}
}

// evict unloads documents until the cache is within its budget, or nothing
// more can be unloaded at the moment.
func (h *Hub) evict() {
	for misses := 0; h.memory.Load() > h.opts.DocumentCache && misses < 8; {
		if d := h.oldest(); d == nil || !d.unload() {
			misses++
		}
	}
}

// oldest returns the document that was unused for the longest, of a sample.
func (h *Hub) oldest() (oldest *document) {
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := 0
	for d := range h.loaded { // in random order
		if oldest == nil || d.lastUsed.Load() < oldest.lastUsed.Load() {
			oldest = d
		}
		if seen++; seen == evictSample {
			break
		}
	}
	return oldest
}

// sweep saves sync states and frees what idle documents hold besides their
// graphs, every Options.SaveInterval, and keeps the cache within its budget.
func (h *Hub) sweep() {
	ticker := time.NewTicker(h.opts.SaveInterval)
	defer ticker.Stop()
	for {
		select {
		case <-h.ctx.Done():
			return
		case <-h.evictNow:
			h.evict()
		case <-ticker.C:
			h.saveAll()
			h.forgetUsers()
			h.evict()
		}
	}
}

// saveAll writes the unsaved sync states of all documents that were in use.
func (h *Hub) saveAll() {
	h.mu.Lock()
	hot := h.hot
	h.hot = make(map[*document]struct{})
	h.mu.Unlock()
	idleSince := h.opts.Now().Add(-h.opts.SaveInterval).UnixNano()
	contentSince := h.opts.Now().Add(-contentIdle * h.opts.SaveInterval).UnixNano()
	for d := range hot {
		d.mu.Lock()
		d.hot = false
		d.saveLocked(d.links)
		idle := d.lastUsed.Load() <= idleSince
		if idle {
			d.relaxLocked(contentSince)
			d.tidyLocked()
		}
		if !d.removed && (!idle || d.ops != nil || d.work != nil) {
			d.heatLocked()
		}
		d.mu.Unlock()
	}
}
