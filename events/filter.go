package events

import (
	"fmt"
	"strings"
)

// MaxFilter is how many types a filter can name.
const MaxFilter = 100

// filter tells which types a feed wants; nil all.
type filter struct {
	names    map[string]bool
	prefixes []string
}

func newFilter(list []string) (*filter, error) {
	if list == nil {
		return nil, nil
	}
	if len(list) > MaxFilter {
		return nil, fmt.Errorf("filter has %d types, at most %d are allowed: %w", len(list), MaxFilter, ErrInvalid)
	}
	f := &filter{names: make(map[string]bool)}
	for _, name := range list {
		prefix, all := strings.CutSuffix(name, "*")
		if all && prefix == "" {
			return nil, nil
		}
		if err := checkType(prefix); err != nil {
			return nil, fmt.Errorf("filter: %w", err)
		}
		if all {
			f.prefixes = append(f.prefixes, prefix)
		} else {
			f.names[name] = true
		}
	}
	return f, nil
}

func (f *filter) match(name []byte) bool {
	if f == nil || f.names[string(name)] {
		return true
	}
	for _, p := range f.prefixes {
		if len(name) >= len(p) && string(name[:len(p)]) == p {
			return true
		}
	}
	return false
}
