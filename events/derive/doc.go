// Package derive makes events of what changes do to documents, by rules: that an
// invoice is paid, that a stock falls below its limit, that a project was created,
// updated or deleted. Read reads the rules from a rules file; Deriver applies them
// to the changes of a node (it is a hub.Deriver).
//
// # What makes an event
//
// What people see is looked at after each change in the order in which the server
// has stored them, and compared with before that change. So the events of a
// document follow from that order alone, in whatever messages the changes have
// come. There is one exception: when a guard has answered changes, these count
// together with the answer, so that what was undone tells nothing.
//
// Events are committed with the change that they tell of: there is no event
// without its change, none is lost, and none comes twice.
//
// # Updates
//
// That a document was updated is told at most once a second. The first change
// leaves a record that an event is pending; a second later the event takes its
// place, with the content of then.
//
// # What doesn't make events
//
// Documents without a type make none. Of the history of a new document that is
// imported only the creation is told. A deleted document tells nothing of what was
// in it.
package derive
