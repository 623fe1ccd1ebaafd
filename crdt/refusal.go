package crdt

import (
	"errors"
	"fmt"
)

// Reason is a short, stable code that says why a change was refused. It is fit
// for a metrics label: the set is closed and holds nothing from the input.
type Reason string

// Reasons of the codec need nothing but the chunk itself; reasons of the graph
// need the changes that are already known.
const (
	ReasonMalformed     Reason = "malformed"      // bytes that cannot be read as what they claim to be
	ReasonChecksum      Reason = "checksum"       // the chunk's checksum doesn't match its data
	ReasonLimit         Reason = "limit"          // over a field of Limits, or a counter above 2^32-1
	ReasonNotCanonical  Reason = "not-canonical"  // readable, but not the bytes that encoding it gives
	ReasonDocumentChunk Reason = "document-chunk" // type 0 where a change is expected
	ReasonBundleChunk   Reason = "bundle-chunk"   // type 3 where a change is expected
	ReasonUnknownChunk  Reason = "unknown-chunk"  // a type that nobody has defined
	ReasonBadValue      Reason = "bad-value"      // a value whose payload doesn't fit its type
	ReasonBadOp         Reason = "bad-op"         // an op that no document can hold
	ReasonBadPred       Reason = "bad-pred"       // preds unsorted, repeated, not older than the op, or missing
	ReasonBadDocument   Reason = "bad-document"   // rows, changes and heads of a document contradict each other

	ReasonDuplicateSeq Reason = "duplicate-seq" // another change holds this actor and seq
	ReasonSeqGap       Reason = "seq-gap"       // seq isn't the actor's last plus one
	ReasonNotLinear    Reason = "not-linear"    // the actor's previous change is no ancestor
	ReasonStartOp      Reason = "start-op"      // startOp isn't above every op of the dependencies; or, without ops, leaves a gap
	ReasonUnknownActor Reason = "unknown-actor" // refers to ops of an actor with no known change
)

// RefusalError says why the gate does not accept a change or a document. What is
// refused is neither stored nor relayed nor queued.
type RefusalError struct {
	Hash   Hash // of the change; zero when it is unknown or the checksum contradicts it
	Reason Reason
	Detail string // for people; may quote lengths and counters, never document content

	// Cost is how many bytes of a change were read, once inflated, before it was
	// refused by ParseChange; an op counts as 8. Whoever reads many can end it there.
	Cost int
}

const opCost = 8

// withCost adds what reading a refused change has cost.
func withCost(err error, cost int) error {
	var refusal *RefusalError
	if errors.As(err, &refusal) {
		refusal.Cost += cost
	}
	return err
}

// Error names the hash when there is one, the reason and the detail.
func (e *RefusalError) Error() string {
	if e.Hash == (Hash{}) {
		return fmt.Sprintf("refuse: %s: %s", e.Reason, e.Detail)
	}
	return fmt.Sprintf("refuse change %s: %s: %s", e.Hash, e.Reason, e.Detail)
}

// refuse builds a RefusalError without a hash; ParseChange fills the hash in.
func refuse(reason Reason, format string, args ...any) *RefusalError {
	return &RefusalError{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}
