package documents

import (
	"errors"
	"fmt"
	"slices"

	"concord/crdt"
)

// maxOperations is how many operations a JSON Patch may have.
const maxOperations = 10_000

// operation is one of a JSON Patch.
type operation struct {
	op         string
	path, from pointer
	value      any
}

// parseOperations reads a JSON Patch (RFC 6902). Unknown members are passed
// over, as it demands.
func parseOperations(body []byte) ([]operation, error) {
	v, err := decodeJSON(body)
	if err != nil {
		return nil, err
	}
	list, ok := v.([]any)
	if !ok || len(list) > maxOperations {
		return nil, refuse(ErrInput, "a JSON Patch is a list of at most %d operations", maxOperations)
	}
	ops := make([]operation, len(list))
	for i, v := range list {
		if ops[i], err = parseOperation(v); err != nil {
			return nil, within(i, len(list), err)
		}
	}
	return ops, nil
}

// within says which of n operations an error is about.
func within(i, n int, err error) error {
	if n == 1 {
		return err
	}
	var own *Error
	if errors.As(err, &own) {
		return &Error{Kind: own.Kind, Message: fmt.Sprintf("operation %d: %s", i, own.Message)}
	}
	return fmt.Errorf("operation %d: %w", i, err)
}

func parseOperation(v any) (o operation, err error) {
	fields, ok := v.(map[string]any)
	if !ok {
		return o, refuse(ErrInput, "it is no object")
	}
	o.op, _ = fields["op"].(string)
	if !slices.Contains([]string{"add", "remove", "replace", "move", "copy", "test"}, o.op) {
		return o, refuse(ErrInput, "op is one of add, remove, replace, move, copy and test")
	}
	if o.path, err = parseMember(fields, "path"); err != nil {
		return o, err
	}
	switch o.op {
	case "move", "copy":
		o.from, err = parseMember(fields, "from")
	case "add", "replace", "test":
		if o.value, ok = fields["value"]; !ok {
			err = refuse(ErrInput, "%s needs a value", o.op)
		}
	}
	return o, err
}

func parseMember(fields map[string]any, name string) (pointer, error) {
	text, ok := fields[name].(string)
	if !ok {
		return nil, refuse(ErrInput, "%s has to be a JSON Pointer", name)
	}
	return parsePointer(text)
}

func applyOperations(tx *crdt.Tx, ops []operation) error {
	left := maxWork
	for i, o := range ops {
		if err := o.apply(tx, &left); err != nil {
			return within(i, len(ops), unmet(err))
		}
	}
	return nil
}

// unmet makes a path that isn't there a contradiction to the document: the
// document itself is found.
func unmet(err error) error {
	var own *Error
	if errors.As(err, &own) && own.Kind == ErrNotFound {
		return &Error{Kind: ErrConflict, Message: own.Message}
	}
	return err
}

func (o operation) apply(tx *crdt.Tx, left *work) error {
	switch o.op {
	case "add":
		return add(tx, o.path, o.value, left)
	case "remove":
		return remove(tx, o.path)
	case "replace":
		if _, err := o.path.find(tx); err != nil {
			return err
		}
		return left.update(tx, o.path, o.value)
	case "test":
		return o.test(tx, left)
	}
	return o.transfer(tx, left)
}

func (o operation) test(tx *crdt.Tx, left *work) error {
	item, err := o.path.find(tx)
	if err != nil {
		return err
	}
	same, err := left.equal(tx, item, o.value)
	if err == nil && !same {
		err = refuse(ErrConflict, "the test failed: the value at %q is another one; nothing was changed", clip(o.path.String()))
	}
	return err
}

// transfer moves or copies a value, with its types.
func (o operation) transfer(tx *crdt.Tx, left *work) error {
	item, err := o.from.find(tx)
	if err != nil {
		return err
	}
	if o.op == "move" && len(o.path) >= len(o.from) && slices.Equal(o.path[:len(o.from)], o.from) {
		if len(o.path) == len(o.from) {
			return nil
		}
		return refuse(ErrInput, "a value can't be moved into itself")
	}
	value, err := left.copied(tx, item)
	if err != nil {
		return err
	}
	if o.op == "move" {
		if err := remove(tx, o.from); err != nil {
			return err
		}
	}
	return add(tx, o.path, value, left)
}

// add puts a value into a map or, at an index or the end, into a list.
func add(tx *crdt.Tx, path pointer, value any, left *work) error {
	if len(path) == 0 {
		return left.update(tx, path, value)
	}
	last := path[len(path)-1]
	parent, err := path[:len(path)-1].find(tx)
	if err != nil {
		return err
	}
	switch parent.Kind {
	case crdt.KindMap:
		return left.update(tx, path, value)
	case crdt.KindList:
		index, ok := tx.Len(parent.ID), true
		if last != "-" {
			index, ok = parseIndex(last)
		}
		if ok && index <= tx.Len(parent.ID) {
			return tx.Insert(parent.ID, index, value)
		}
	}
	return refuse(ErrNotFound, "there is no place at path %q", clip(path.String()))
}

func remove(tx *crdt.Tx, path pointer) error {
	if len(path) == 0 {
		return tx.Update("", map[string]any{})
	}
	if _, err := path.find(tx); err != nil {
		return err
	}
	return tx.DeleteAt(path.String())
}
