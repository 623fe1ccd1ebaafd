// Package documents is what back ends do with documents: get or create one by
// its business key, list, read, patch, look into the past, bring it back, move
// documents in and out as files, and delete them for good. It knows nothing of
// HTTP.
//
// # Keys
//
// A document may have a type and a ref, such as "invoice" and "2026-0815". In a
// company there is at most one document for each key: key and first change are
// written in one transaction, which fails if there is such a key. Deleting a
// document frees its key, since a ref can say as much as content does.
//
// # Rights
//
// Everybody who may open a document reads it. Editors, admins and services
// change, create and import documents; admins alone delete them and read the
// audit log; admins and services list what was deleted. A token that is narrowed
// to some documents sees these and no others, in lists too, and creates none.
// What a caller may not see is told apart from what doesn't exist nowhere: both
// are ErrNotFound.
//
// # Strings
//
// A string in JSON that comes in becomes a text, which people edit at the same
// time, as in automerge-js 3; on request a scalar string, which is replaced as a
// whole. Where there is a value already, the new one keeps its type if it can:
// see crdt.Tx.Update. A patch replaces a text as a whole when the old or the new
// one is short (64 characters, no line break), so that a status which a device
// sets offline at the same time is a conflict in the ledger; longer texts are
// edited, and merge.
//
// # States
//
// A state of a document is named by its heads, or by a time: then it is what the
// server had received by then, in its own order. Times are those of the server's
// clock when it received a change; "claimed" ones are what the author's device
// wrote into it.
package documents
