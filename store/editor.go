package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// editorKey is the key in editors for a document of a user; key is the document's.
func editorKey(key []byte, user uint32) []byte {
	k := append(make([]byte, 0, documentKeySize+4), key[:companySize]...)
	return append(appendU32(k, user), key[companySize:documentKeySize]...)
}

// putEditor notes that a user has changed a document.
func (b *batch) putEditor(key []byte, user uint32) {
	bk := b.writable(editorsBucket)
	if k := editorKey(key, user); bk != nil && bk.Get(k) == nil {
		b.put(editorsBucket, k, nil)
	}
}

// indexEditors fills editors from the attributions.
func (b *batch) indexEditors() error {
	bk, err := b.bucket(attributionsBucket)
	if err != nil {
		return err
	}
	c := bk.Cursor()
	var last []byte
	for k, v := c.First(); k != nil; k, v = c.Next() {
		payload, err := attributionsBucket.unseal(k, v)
		if err != nil {
			return fmt.Errorf("index editors: %w", err)
		}
		if len(k) != indexedKeySize || len(payload) < runHeader {
			return fmt.Errorf("index editors: %w", attributionsBucket.corrupt(k, "record is malformed"))
		}
		// Most runs have the same document and user as the one before.
		if e := editorKey(k, binary.BigEndian.Uint32(payload)); !bytes.Equal(e, last) {
			b.putEditor(k, u32(payload))
			last = e
		}
	}
	return b.failed
}
