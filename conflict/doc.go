// Package conflict keeps the ledger of conflicts: who overwrote whom, and what
// was lost. It watches the changes of documents as a hub's Ledger, writes its
// records in the transactions of the changes that cause them, and answers
// questions about them.
//
// # What a conflict is
//
// Changes are partly ordered: one precedes another if that was made with
// knowledge of it. A write is an op that sets, makes, deletes or increments
// something at a place: a key of a map or an element of a list. Two writes at
// one place are concurrent if neither's change precedes the other's. The writes
// at a place fall into episodes: groups connected by concurrency, each of which
// precedes the next as a whole.
//
// An episode with at least two concurrent writes that differ has one record, of
// kind update-update, or delete-update if all that differ are a deletion and
// something else. Its values are the writes that differ from another concurrent
// one. Deletions don't differ from each other, nor do increments, nor scalars
// that JavaScript shows alike. Its root are the last writes of the episode
// before, and its ID is a hash of document, object, key and root: every server
// that has the changes gives the conflict the same ID, whatever the order in
// which they came.
//
// A record of kind lost-edit exists for each object that somebody removed, by
// deleting or overwriting it, while somebody else edited it or something inside.
//
// # Status
//
// A record is open until a later write covers the whole episode (superseded), or
// a change whose message begins with "Resolve conflict" and the ID covers all
// its values (resolved). A change that was made offline long ago can come late:
// then a record grows, and is open again, or swallows the records of later
// episodes, which vanish.
//
// # What depends on the order of arrival
//
// ID, kind, field, object, key, root, before, values, winner, status and closer
// follow from the changes alone. Type, path, users' devices, the times opened,
// updated and closed, and the content that is shown of objects are as this
// server saw them.
//
// # Events
//
// What the ledger records it tells by events, in the same transactions: to the
// company, to those who look at the document, and to each user whose value isn't
// what is shown, when that becomes so and when the status changes. Whoever takes
// the events of the company's room in their order has status, winner and number
// of values of each conflict that came into being since.
//
// # Bounds
//
// A record has at most 1,000 values, those that came first. An edit counts for
// the removed objects up to 16 levels around it. One change looks at 200,000 ops
// at most. A write closes at most 1,000 lost edits of its place, of the objects
// that were made last.
package conflict
