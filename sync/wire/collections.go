package wire

import (
	"bytes"
	"encoding/hex"

	"concord/internal/id"
)

// keys are the keys met in one map of at most maxFields.
type keys struct {
	names [maxFields][]byte
	count int
}

func (k *keys) add(name []byte) error {
	if k.count == maxFields {
		return errItems
	}
	for _, other := range k.names[:k.count] {
		if bytes.Equal(name, other) {
			return errRepeated
		}
	}
	k.names[k.count] = name
	k.count++
	return nil
}

// each visits the entries of the map at pos until an error; name is the field's, for errors.
func (d *decoder) each(name string, pos int, visit func(key []byte, value int) error) {
	_, err := d.r.entries(pos, visit)
	switch {
	case err == nil || d.err != nil:
	case err == errNotMap:
		d.fail(name, "not a map")
	case err == errRepeated:
		d.fail(name, "key repeated")
	case err == errKey:
		d.fail(name, "map key is not text")
	case err == errItems:
		d.fail(name, "too many entries")
	default:
		d.err = err
	}
}

// list walks over an array's items; its zero value has none.
type list struct {
	count int // entries, 0 if indefinite

	indefinite bool
	left       int // entries that may still come
	following  int // where the next one starts

	item head // the current item, and the position after its head
	pos  int
}

// list starts a walk over the array at pos, which must have at most so many entries.
func (d *decoder) list(name string, pos, most int) list {
	h, pos, _ := d.r.head(pos)
	switch {
	case d.err != nil:
	case h.major != majorArray:
		d.fail(name, "not an array")
	case h.indefinite:
		return list{indefinite: true, left: most, following: pos}
	case h.arg > uint64(most):
		d.fail(name, "too many entries")
	default:
		return list{count: int(h.arg), left: int(h.arg), following: pos}
	}
	return list{}
}

// next goes to the next item of l. It returns false at the end and after an error.
func (d *decoder) next(name string, l *list) bool {
	if d.err != nil || l.left == 0 && !l.indefinite {
		return false
	}
	item, pos, err := d.r.head(l.following)
	if err != nil { // the break; index has seen everything else
		return false
	}
	if l.left == 0 {
		d.fail(name, "too many entries")
		return false
	}
	l.left--
	l.item, l.pos = item, pos
	if l.following, err = d.r.skip(l.following); err != nil {
		d.err = err
		return false
	}
	return true
}

// textAt reads a text of at most so many bytes whose head is h.
func (d *decoder) textAt(name string, h head, pos, most int) string {
	switch {
	case h.major != majorText:
		d.fail(name, "not text")
	case h.arg > uint64(most):
		d.fail(name, "too long")
	default:
		return string(d.r.b[pos : pos+int(h.arg)])
	}
	return ""
}

// metadata reads the optional peerMetadata; so are its fields.
func (d *decoder) metadata() PeerMetadata {
	var m PeerMetadata
	if !d.optional(fieldMetadata) {
		return m
	}
	const storageName, ephemeralName = "peerMetadata.storageId", "peerMetadata.isEphemeral"
	var seen keys
	d.each(fieldNames[fieldMetadata], d.at[fieldMetadata], func(key []byte, value int) error {
		if err := seen.add(key); err != nil {
			return err
		}
		h, pos, _ := d.r.head(value)
		if h.first == cborUndefined || h.first == cborNull {
			return nil
		}
		switch string(key) {
		case "storageId":
			m.StorageID = d.textAt(storageName, h, pos, d.lim.StorageID)
		case "isEphemeral":
			if h.first != cborTrue && h.first != cborFalse {
				d.fail(ephemeralName, "not a boolean")
			}
			m.Ephemeral = h.first == cborTrue
		}
		return nil
	})
	return m
}

// texts reads an optional array of at most so many texts: nil if it isn't there, not nil if it is.
func (d *decoder) texts(f field, entries, most int) []string {
	if !d.optional(f) {
		return nil
	}
	list := d.list(fieldNames[f], d.at[f], entries)
	texts := make([]string, 0, list.count)
	for d.next(fieldNames[f], &list) {
		texts = append(texts, d.textAt(fieldNames[f], list.item, list.pos, most))
	}
	return texts
}

// newHeads reads the map of storage IDs; each value is {heads: [text], timestamp: number}.
func (d *decoder) newHeads() []StorageHeads {
	name := fieldNames[fieldNewHeads]
	if _, _, ok := d.required(fieldNewHeads); !ok {
		return nil
	}
	newHeads := []StorageHeads{}
	seen := make(map[string]bool)
	d.each(name, d.at[fieldNewHeads], func(key []byte, value int) error {
		switch {
		case len(key) == 0 || len(key) > d.lim.StorageID:
			d.fail(name, "storage ID empty or too long")
		case seen[string(key)]:
			return errRepeated
		case len(seen) == d.lim.StorageIDs:
			d.fail(name, "too many entries")
		}
		if d.err != nil {
			return d.err
		}
		storageID := string(key)
		seen[storageID] = true
		if d.r.b[value] != cborUndefined {
			newHeads = append(newHeads, d.storageHeads(storageID, value))
		}
		return nil
	})
	return newHeads
}

func (d *decoder) storageHeads(storageID string, pos int) StorageHeads {
	const headsName, timeName = "newHeads.heads", "newHeads.timestamp"
	storage := StorageHeads{StorageID: storageID}
	heads, timestamp := 0, 0
	var seen keys
	d.each(fieldNames[fieldNewHeads], pos, func(key []byte, value int) error {
		if d.r.b[value] != cborUndefined {
			switch string(key) {
			case "heads":
				heads = value
			case "timestamp":
				timestamp = value
			}
		}
		return seen.add(key)
	})
	switch {
	case d.err != nil:
		return storage
	case heads == 0:
		d.fail(headsName, "missing")
		return storage
	case timestamp == 0:
		d.fail(timeName, "missing")
		return storage
	}
	h, _, _ := d.r.head(timestamp)
	var reason string
	if storage.Timestamp, reason = integer(h); reason != "" {
		d.fail(timeName, reason)
	}
	list := d.list(headsName, heads, d.lim.Heads)
	storage.Heads = make([][id.HashSize]byte, 0, list.count)
	for d.next(headsName, &list) {
		storage.Heads = append(storage.Heads, d.hashAt(headsName, list.item, list.pos))
	}
	return storage
}

// hashAt reads a hash whose head is h: base58check text, or the 64 hex digits of automerge-repo 1.
func (d *decoder) hashAt(name string, h head, pos int) [id.HashSize]byte {
	var hash [id.HashSize]byte
	if h.major != majorText {
		d.fail(name, "not text")
		return hash
	}
	text := d.r.b[pos : pos+int(h.arg)]
	var err error
	if len(text) == hex.EncodedLen(id.HashSize) {
		_, err = hex.Decode(hash[:], text)
	} else {
		hash, err = id.DecodeHashText(text)
	}
	if err != nil {
		d.fail(name, "not a hash")
	}
	return hash
}
