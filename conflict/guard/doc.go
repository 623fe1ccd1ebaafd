// Package guard locks fields of documents by their state and the role of who
// edits them. Parse reads the rules from a YAML file and says what is wrong with
// them; Guards applies them to the changes of a node (it is a hub.Guards);
// Proposals decides about the edits that were undone.
//
// An edit that breaks a rule was made by somebody who couldn't know better, often
// offline. It is merged like any other, since Automerge can't do without changes
// on which others build. In the same transaction the server adds a change that
// brings the locked value back, and a proposal: who wanted what.
//
// # What is judged
//
// Each change is judged by the document as this server had it before: a change
// that was made earlier but comes later than the one that posted an invoice
// breaks the rule, one that came earlier doesn't. What counts is what readers
// see: an edit that loses against a concurrent one, or inside an object that
// somebody else deleted, changes nothing and breaks nothing.
//
// The change that a document begins with isn't judged.
//
// A change that arrives together with others of its author is judged as if those
// before it that broke a rule had been undone already.
package guard
