package documents

import (
	"context"
	"errors"
	"fmt"

	"concord/crdt"
	"concord/internal/id"
	"concord/sync/hub"
)

// PatchKind is the form of a patch.
type PatchKind int

// Kinds of patches.
const (
	MergePatch PatchKind = iota // RFC 7386
	JSONPatch                   // RFC 6902
)

// maxMessage is how long the message of a change may be, in bytes.
const maxMessage = 1 << 10

// Patch is a change that a caller describes in JSON.
type Patch struct {
	Kind PatchKind
	Body []byte
	// ScalarStrings makes strings scalars, which are replaced as a whole, where there is no string yet; else they become
	// texts.
	ScalarStrings bool
	Message       string                // of the change; may be empty
	Match         func(tag string) bool // refuses the patch unless it is true of the document's state; nil = any state
}

// Patch changes a document, as one change of the caller's or not at all. It
// returns the state after it.
func (s *Service) Patch(ctx context.Context, c Caller, doc id.DocumentID, p Patch) (Document, error) {
	if err := s.mayWrite(ctx, c, doc); err != nil {
		return Document{}, err
	}
	write, err := p.parse()
	if err != nil {
		return Document{}, err
	}
	return s.edit(ctx, c, doc, p.Match, hub.Edit{Message: p.Message, Write: func(tx *crdt.Tx, _ hub.Reading) error {
		return inputError(write(tx))
	}})
}

// parse returns what the patch writes.
func (p Patch) parse() (func(*crdt.Tx) error, error) {
	write, err := p.parseBody()
	if err != nil {
		return nil, err
	}
	return func(tx *crdt.Tx) error {
		tx.ScalarStrings, tx.ReplaceShortTexts = p.ScalarStrings, true
		return write(tx)
	}, nil
}

func (p Patch) parseBody() (func(*crdt.Tx) error, error) {
	if err := checkMessage(p.Message); err != nil {
		return nil, err
	}
	if p.Kind == JSONPatch {
		ops, err := parseOperations(p.Body)
		return func(tx *crdt.Tx) error { return applyOperations(tx, ops) }, err
	}
	body, err := decodeJSON(p.Body)
	if err != nil {
		return nil, err
	}
	if _, ok := body.(map[string]any); !ok {
		return nil, refuse(ErrInput, "a merge patch of a document is a JSON object")
	}
	return func(tx *crdt.Tx) error {
		left := maxWork
		return merge(tx, nil, body, &left)
	}, nil
}

func checkMessage(m string) error {
	if len(m) > maxMessage {
		return refuse(ErrInput, "message: at most %d bytes", maxMessage)
	}
	return nil
}

// edit makes a change for a caller, if match is true of the state that is
// changed.
func (s *Service) edit(ctx context.Context, c Caller, doc id.DocumentID, match func(tag string) bool, e hub.Edit) (Document, error) {
	d := Document{ID: doc}
	var err error
	if match != nil {
		if e.Heads, err = s.headsOfDocument(c, doc); err != nil {
			return d, err
		}
		if !match(Tag(e.Heads)) {
			return d, changed(doc, e.Heads)
		}
	}
	e.By = c.author()
	done, err := s.hub.Edit(ctx, c.key(doc), e)
	if errors.Is(err, hub.ErrHeads) {
		if d.Heads, err = s.headsOfDocument(c, doc); err != nil {
			return d, err
		}
		return d, changed(doc, d.Heads)
	}
	if err != nil {
		return d, refused(doc, err)
	}
	d.Heads = done.Heads
	d.Type, d.Ref, err = s.keyOf(c.key(doc))
	return d, err
}

func changed(doc id.DocumentID, heads []crdt.Hash) error {
	return &Error{Kind: ErrChanged, Heads: heads, Message: fmt.Sprintf(
		"document %s has changed since you read it; read it again, apply what you want to the result, and send If-Match with its ETag", doc)}
}
