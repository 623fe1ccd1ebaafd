package ledger

import (
	"encoding/json"
	"errors"

	"concord/crdt"
	"concord/fuzz/oracle"
	"concord/internal/id"
)

// Judge works out ledgers by their definition.
type Judge struct{ js *oracle.Engine }

// NewJudge starts nothing yet. It fails where automerge-js isn't installed.
func NewJudge() (*Judge, error) {
	js, err := oracle.JS()
	return &Judge{js}, err
}

// Close ends the process behind the judge.
func (j *Judge) Close() { j.js.Close() }

// Verdict is what the definition gives for a history.
type Verdict struct {
	Records []Record
	Looks   int   // comparisons with what automerge-js shows
	Decoded int   // changes that automerge-js reads as the oracle does; it can't read all
	Err     error // why there are no records
}

// Records works out the ledgers of documents.
func (j *Judge) Records(doc id.DocumentID, histories ...[]*crdt.Change) ([]Verdict, error) {
	asked := make([]oracle.History, len(histories))
	for i, changes := range histories {
		asked[i] = oracle.History{Document: doc, Changes: [][]byte{}}
		for _, c := range changes {
			asked[i].Changes = append(asked[i].Changes, c.Bytes())
		}
	}
	answers, err := j.js.Conflicts(asked)
	if err != nil {
		return nil, err
	}
	verdicts := make([]Verdict, len(answers))
	for i, a := range answers {
		verdicts[i].Looks, verdicts[i].Decoded = a.Looks, a.Decoded
		if a.Error != "" {
			verdicts[i].Err = errors.New(a.Error)
		}
		for _, c := range a.Records {
			verdicts[i].Records = append(verdicts[i].Records, recordOf(c))
		}
	}
	return verdicts, nil
}

func recordOf(c oracle.Conflict) Record {
	r := Record{
		ID: c.ID, Kind: c.Kind, Object: c.Object, Key: c.Key, Elem: c.Elem, Field: c.Field, Root: c.Root,
		Before: c.Before, Winner: c.Winner, Status: c.Status, Closer: c.Closer,
	}
	for _, v := range c.Values {
		value := Value{Op: v.Op, Action: v.Action}
		if v.JSON != "" {
			value.Value = json.RawMessage(v.JSON)
		}
		r.Values = append(r.Values, value)
	}
	return r
}
