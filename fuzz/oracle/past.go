package oracle

import (
	"errors"
	"fmt"
)

// State is what a document held at some heads.
type State struct {
	JSON string `json:"json"` // as crdt.View.AppendJSON writes it
	// Authors has a line for each value that is no object with members: its path and the hash of its change, with index
	// and length between them for each part of a text that one change wrote.
	Authors []string `json:"authors"`
}

// Past has automerge-js say what a document, one chunk or several, held at each of
// the heads, which are in hex.
func (e *Engine) Past(file []byte, heads [][]string) ([]State, error) {
	var answer struct {
		Error  string  `json:"error"`
		States []State `json:"states"`
	}
	if err := e.call("past", map[string]any{"case": Case{Load: file, Views: heads}}, &answer); err != nil {
		return nil, err
	}
	if answer.Error != "" {
		return nil, errors.New(answer.Error)
	}
	if len(answer.States) != len(heads) {
		return nil, fmt.Errorf("%s: %d states at %d heads", e.name, len(answer.States), len(heads))
	}
	return answer.States, nil
}
