// Package protocol is the Automerge sync protocol, versions 1 and 2, as a pure
// state machine: messages in, messages out, no I/O, no clock.
//
// A State belongs to one peer and one document. The caller decodes a message,
// puts its changes into the document's graph, makes them durable, publishes
// them, and then calls Receive. Whenever the peer can take a message it calls
// Generate, after every receive and after every change of the document; most
// calls have nothing to say. The transport must be ordered and reliable; after
// a lost connection the state is saved and loaded, or begun anew.
//
// Two peers whose documents can't become equal (a change that one of them
// refuses) would answer each other for ever; State goes silent after a few
// rounds that brought nothing, until the document or the peer's message changes.
package protocol
