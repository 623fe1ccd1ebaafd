package crdt

import (
	"fmt"
	"strconv"
	"strings"
)

// SetAt writes the place that a JSON Pointer (RFC 6901) names, see Set. The
// place may be a map key that isn't there yet, an element of a list, or "-"
// after the last one; the objects around it must exist.
func (tx *Tx) SetAt(pointer string, value any) (OpID, error) {
	parent, token, err := tx.place(pointer)
	if err != nil {
		return OpID{}, fmt.Errorf("set at %q: %w", pointer, err)
	}
	var id OpID
	switch parent.Kind {
	case KindMap:
		id, err = tx.Set(parent.ID, token, value)
	case KindList:
		id, err = tx.setElement(parent.ID, token, value)
	default:
		err = fmt.Errorf("a %s has no places of its own", parent.Kind)
	}
	if err != nil {
		return OpID{}, fmt.Errorf("set at %q: %w", pointer, err)
	}
	return id, nil
}

func (tx *Tx) setElement(list OpID, token string, value any) (OpID, error) {
	if token == "-" {
		before := len(tx.ops)
		if err := tx.Insert(list, tx.Len(list), value); err != nil {
			return OpID{}, err
		}
		return tx.ops[before].ID, nil
	}
	index, ok := parseIndex(token)
	if !ok {
		return OpID{}, fmt.Errorf("%q is no index", token)
	}
	return tx.SetIndex(list, index, value)
}

// DeleteAt removes what a JSON Pointer names; a map key may be missing.
func (tx *Tx) DeleteAt(pointer string) error {
	parent, token, err := tx.place(pointer)
	if err != nil {
		return fmt.Errorf("delete at %q: %w", pointer, err)
	}
	switch index, ok := parseIndex(token); {
	case parent.Kind == KindMap:
		err = tx.Delete(parent.ID, token)
	case ok:
		err = tx.DeleteRange(parent.ID, index, 1)
	default:
		err = fmt.Errorf("%q is no index", token)
	}
	if err != nil {
		return fmt.Errorf("delete at %q: %w", pointer, err)
	}
	return nil
}

// place returns the object around the place that a JSON Pointer names, and the
// place's key or index in it.
func (tx *Tx) place(pointer string) (parent Item, token string, err error) {
	i := strings.LastIndexByte(pointer, '/')
	if i < 0 {
		return Item{}, "", fmt.Errorf("not a place in the document")
	}
	if parent, err = tx.Lookup(pointer[:i]); err != nil {
		return Item{}, "", err
	}
	return parent, unescapeToken.Replace(pointer[i+1:]), nil
}

// parseIndex reads an index as RFC 6901 writes it.
func parseIndex(token string) (int, bool) {
	n, err := strconv.ParseUint(token, 10, 31)
	return int(n), err == nil && (len(token) == 1 || token[0] != '0')
}
