package crdt

import (
	"errors"
	"testing"
)

// needOpSet lists the cases to be rejected of which the codec knows nothing:
// only the ops of the document (or of the same change, taken together) show
// that a reference leads nowhere. The codec accepts them.
var needOpSet = map[string]string{
	"makeTable with child":                    "type of the object",
	"pred of another key":                     "ops of the object",
	"object is a scalar op":                   "action of the referenced op",
	"string key in a list":                    "type of the object",
	"mark end without begin":                  "marks of the text",
	"mark end before its begin in list order": "order of the text",
	"mark end id is not begin id + 1":         "marks of the text",
}

// needGraph lists the cases that only the changes known before can decide.
var needGraph = map[string]string{
	"seq starts at 2":                   "seq-gap",
	"seq skips 2":                       "seq-gap",
	"same actor and seq, other content": "duplicate-seq",
	"seq 2 does not depend on seq 1":    "not-linear",
	"startOp reused by the actor":       "start-op",
	"startOp not above the deps":        "start-op",
}

// acceptanceReasons gives the reason of those refusals whose cause is not the form.
var acceptanceReasons = map[string]Reason{
	"del without pred":                   ReasonBadPred,
	"preds not sorted":                   ReasonBadPred,
	"pred is a later op":                 ReasonBadPred,
	"pred is the op itself":              ReasonBadPred,
	"insert flag on a map key":           ReasonBadOp,
	"unknown action 8":                   ReasonBadOp,
	"inc with string operand":            ReasonBadOp,
	"actor index out of range":           ReasonBadOp,
	"insert after itself":                ReasonBadOp,
	"seq 0":                              ReasonMalformed,
	"startOp 0":                          ReasonMalformed,
	"startOp 2^32":                       ReasonLimit,
	"op counter passes 2^32":             ReasonLimit,
	"run of 2^40 actions":                ReasonLimit,
	"non-canonical run split":            ReasonNotCanonical,
	"all-null object columns present":    ReasonNotCanonical,
	"all-false expand column present":    ReasonNotCanonical,
	"action column missing":              ReasonNotCanonical,
	"unknown column":                     ReasonNotCanonical,
	"other actor listed but unused":      ReasonNotCanonical,
	"deflate bit in a change":            ReasonMalformed,
	"bad checksum":                       ReasonChecksum,
	"unknown chunk type 9":               ReasonUnknownChunk,
	"compressed: checksum of other data": ReasonChecksum,
	"float value of 4 bytes":             ReasonBadValue,
	"int value overlong":                 ReasonBadValue,
	"string value not UTF-8":             ReasonBadValue,
	"key not UTF-8":                      ReasonMalformed,
}

func TestAcceptance(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range readAcceptance(t) {
		seen[c.Name] = true
		t.Run(c.Name, func(t *testing.T) {
			refusal := firstRefusal(t, c.Chunks)
			later := needOpSet[c.Name] + needGraph[c.Name]
			switch {
			case c.Want != "reject" && later != "":
				t.Errorf("listed as needing more than the codec, but wanted: %s", c.Want)
			case c.Want != "reject" && refusal != nil:
				t.Errorf("want %s: %v", c.Want, refusal)
			case c.Want == "reject" && later == "" && refusal == nil:
				t.Error("accepted")
			case later != "" && refusal != nil:
				t.Errorf("the codec refuses it (%v), so it doesn't belong on the list of cases that need the %s", refusal, later)
			case refusal != nil && acceptanceReasons[c.Name] != "" && refusal.Reason != acceptanceReasons[c.Name]:
				t.Errorf("%v, want reason %s", refusal, acceptanceReasons[c.Name])
			}
		})
	}
	for _, list := range []map[string]string{needOpSet, needGraph} {
		for name := range list {
			if !seen[name] {
				t.Errorf("no case is named %q", name)
			}
		}
	}
	for name := range acceptanceReasons {
		if !seen[name] {
			t.Errorf("no case is named %q", name)
		}
	}
}

func firstRefusal(t *testing.T, chunks []string) *RefusalError {
	for _, s := range chunks {
		ch, err := ParseChange(unhex(t, s), Limits{})
		if err == nil {
			checkReencodes(t, ch)
			continue
		}
		var refusal *RefusalError
		if ch != nil || !errors.As(err, &refusal) {
			t.Fatalf("change %v with error %v of type %T", ch, err, err)
		}
		return refusal
	}
	return nil
}
