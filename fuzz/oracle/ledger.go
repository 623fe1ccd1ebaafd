package oracle

import (
	"encoding/hex"
	"fmt"

	"concord/internal/id"
)

// History is all that a document's conflict ledger follows from.
type History struct {
	Document id.DocumentID
	Changes  [][]byte // change chunks in any order, none of whose dependencies is missing
}

// Conflicts is a document's ledger by its definition.
type Conflicts struct {
	Error   string     `json:"error"` // "" = none; then nothing else is set
	Panic   bool       `json:"panic"` // the engine is beyond repair and was started anew
	Records []Conflict `json:"records"`
	Looks   int        `json:"looks"`   // how often what is visible was compared with what automerge-js shows
	Decoded int        `json:"decoded"` // how many changes automerge-js reads as the oracle does; it can't read all
}

// Conflict is a record of the ledger. Ops are written COUNTER@ACTOR.
type Conflict struct {
	ID     string         `json:"id"`
	Kind   string         `json:"kind"`
	Object string         `json:"object"`
	Key    string         `json:"key"`
	Elem   string         `json:"elem"`
	Field  string         `json:"field"`
	Root   []string       `json:"root"`
	Before string         `json:"before"`
	Winner string         `json:"winner"`
	Status string         `json:"status"`
	Closer string         `json:"closer"`
	Values []ConflictSide `json:"values"`
}

// ConflictSide is a value of a record.
type ConflictSide struct {
	Op     string `json:"op"`
	Action string `json:"action"`
	JSON   string `json:"json"` // "" for deletions and objects
}

// Conflicts works out the ledgers of documents. Only automerge-js can.
func (e *Engine) Conflicts(histories []History) ([]Conflicts, error) {
	type ask struct {
		Document string   `json:"document"`
		Changes  [][]byte `json:"changes"`
	}
	cases := make([]ask, len(histories))
	for i, h := range histories {
		cases[i] = ask{hex.EncodeToString(h.Document[:]), h.Changes}
	}
	var answers []Conflicts
	if err := e.call("ledger", map[string]any{"cases": cases}, &answers); err != nil {
		return nil, err
	}
	if len(answers) != len(cases) {
		return nil, fmt.Errorf("%s: %d answers to %d histories", e.name, len(answers), len(cases))
	}
	for _, a := range answers {
		if a.Panic {
			e.Close()
			break
		}
	}
	return answers, nil
}
