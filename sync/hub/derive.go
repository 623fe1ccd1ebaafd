package hub

import (
	"fmt"
	"time"

	"concord/crdt"
	"concord/store"
)

// Deriver makes records, such as events, of what changes do to documents.
type Deriver interface {
	// For returns the derivation for a document of a type; nil when there is no rule for the type. It is asked when
	// changes of a document come for which none is in memory.
	For(key store.DocKey, docType string) Derivation
	// Abandoned tells that records of a document may not have been committed: those since the last that are durable.
	// It is called with the document's lock held.
	Abandoned(key store.DocKey)
}

// Derivation makes records of the changes of one document. It sees all of them, and is dropped with the op set. Its
// methods and those of its transitions are called with the document's lock held, so they must be quick; an error, or a
// panic, gives up what is staged of the document, as a failed write does.
type Derivation interface {
	// Begin is called before the first of the changes that come together is applied; before is the content, and valid
	// until then. It is valid as long as the transition if the document is guarded. exists tells whether the document
	// has changes.
	Begin(before crdt.View, exists bool) Transition
	// Size returns the bytes of memory that the derivation holds, about.
	Size() int
}

// Transition is what changes that came together do to a document.
type Transition interface {
	// Applied is called after each admitted change, those of the server's own included.
	Applied(a Applied)
	// Records returns what is to be committed with the changes.
	Records(e Ended) ([]store.Record, error)
}

// Ended is the end of changes that came together. It is valid during the call that it is given to.
type Ended struct {
	Key       store.DocKey
	Type, Ref string // of the document; empty if it has none
	View      crdt.View
	// Answered tells that a guard has changed something back: only what is different now from before the changes
	// counts.
	Answered bool
	// Imported tells that the changes are the first part of the history of a new document: Applied wasn't called for
	// them, and View was given to Begin.
	Imported bool

	User, Device string // who brought the changes
	Received     time.Time
}

// derivation returns what makes records of the document's changes, nil for nothing.
func (d *document) derivation() Derivation {
	deriver := d.hub.opts.Deriver
	if deriver == nil || d.kind == "" {
		return nil
	}
	if d.derived == nil || d.derivedKind != d.kind {
		d.derived, d.derivedKind = deriver.For(d.key, d.kind), d.kind
	}
	return d.derived
}

// transit begins the transition before the first change of a staging.
func (s *staging) transit(before crdt.View) {
	d := s.document
	switch {
	case s.transition != nil:
	case s.imported:
		d.derived = nil // it won't see these changes
	default:
		if derivation := d.derivation(); derivation != nil {
			s.transition = derivation.Begin(before, s.existed)
		}
	}
}

// derive gathers what is to be committed because of what was staged.
func (s *staging) derive() error {
	d := s.document
	e := Ended{Key: d.key, Type: d.kind, Ref: d.ref, Answered: s.answered, Imported: s.imported, Received: s.received}
	if d.ops != nil {
		e.View = d.ops.View()
	}
	if len(s.runs) > 0 {
		e.User, e.Device = s.runs[0].sender.user, s.runs[0].sender.device
	}
	if s.imported && !s.existed && len(s.runs) > 0 {
		if derivation := d.derivation(); derivation != nil {
			s.transition = derivation.Begin(e.View, false)
		}
	}
	if s.transition != nil {
		records, err := s.transition.Records(e)
		if err != nil {
			return fmt.Errorf("derive records of document %s: %w", d.key.Document, err)
		}
		s.records = append(s.records, records...)
	}
	if s.last != nil {
		records, err := s.last(e)
		if err != nil {
			return err
		}
		s.records = append(s.records, records...)
	}
	return nil
}
