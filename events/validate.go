package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Validate tells whether data fits a type. The errors are ErrUnknownType, ErrTooLarge, and ErrInvalid, which says what is
// expected where.
func (c *Catalogue) Validate(name string, data json.RawMessage) error {
	k := c.named[name]
	if k == nil {
		return fmt.Errorf("type %q: %w", clip(name), ErrUnknownType)
	}
	data, err := compact(data)
	if err != nil {
		return err
	}
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return fmt.Errorf("data: %s: %w", strings.TrimPrefix(err.Error(), "json: "), ErrInvalid)
	}
	err = k.schema.Validate(v)
	if err == nil {
		return nil
	}
	var wrong *jsonschema.ValidationError
	if !errors.As(err, &wrong) {
		return fmt.Errorf("data of %s: %w: %w", name, err, ErrInvalid)
	}
	return fmt.Errorf("data of %s: %s: %w", name, explain(wrong), ErrInvalid)
}

const (
	maxProblems = 5   // that are told of one data
	maxProblem  = 200 // bytes of each
)

// explain says what is wrong where, "/total: got string, want number".
func explain(err *jsonschema.ValidationError) string {
	var list []string
	more := 0
	var walk func(u *jsonschema.OutputUnit)
	walk = func(u *jsonschema.OutputUnit) {
		for i := range u.Errors {
			walk(&u.Errors[i])
		}
		switch {
		case len(u.Errors) > 0 || u.Error == nil:
		case len(list) == maxProblems:
			more++
		default:
			text := u.Error.String()
			if u.InstanceLocation != "" {
				text = u.InstanceLocation + ": " + text
			}
			if len(text) > maxProblem {
				text = strings.ToValidUTF8(text[:maxProblem], "") + "…"
			}
			list = append(list, text)
		}
	}
	walk(err.DetailedOutput())
	text := strings.Join(list, "; ")
	if more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}
