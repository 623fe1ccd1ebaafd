package documents

import (
	"maps"
	"slices"

	"concord/crdt"
)

// merge applies a merge patch (RFC 7386) to what a path names, which may be
// missing.
func merge(tx *crdt.Tx, path pointer, patch any, left *work) error {
	fields, ok := patch.(map[string]any)
	if !ok {
		return left.update(tx, path, patch)
	}
	target, err := path.find(tx)
	if err != nil || target.Kind != crdt.KindMap {
		return left.update(tx, path, withoutNulls(fields))
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		value := fields[key]
		if value == nil {
			err = tx.Delete(target.ID, key)
		} else {
			err = merge(tx, append(path[:len(path):len(path)], key), value, left)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// withoutNulls returns what a merge patch makes of nothing.
func withoutNulls(patch map[string]any) map[string]any {
	made := make(map[string]any, len(patch))
	for key, value := range patch {
		if fields, ok := value.(map[string]any); ok {
			value = withoutNulls(fields)
		}
		if value != nil {
			made[key] = value
		}
	}
	return made
}
