// Package store keeps the change log of every document, with heads, attribution, sync states, rejections and
// revocations, in one bbolt file named concord.db in the data folder. Beside them it keeps records of other packages
// that have to be committed with changes, and an audit log.
//
// # Durability
//
// Writes are queued and committed in groups: while one batch is being fsynced the next one gathers, without a
// timer. A write is one unit: it is in the file as a whole or not at all, and writes take effect in the order in
// which they were submitted. A write's done callback runs exactly once, in submission order, on the store's
// notifier goroutine, after the fsync; it must be quick and must not call Close. When a submitting call itself
// returns an error, nothing was queued and done isn't called. A nil done is allowed. Reads see what is committed and
// nothing of what is only queued.
//
// When a commit fails (disk full, I/O error, damaged page) the store refuses all further writes with ErrFailed. An
// fsync is never retried, because the kernel may have dropped the pages that it couldn't write.
//
// # File format
//
// bbolt's buckets hold records. Integers are big-endian, times are milliseconds since 1970 as signed 8 bytes. A
// company is a 4-byte number, and so is a label (a user or a device within its company); numbers count from 1 in the
// order of first use and are never reused. The value of every record is its payload followed by 4 bytes CRC-32C over
// bucket name, key and payload, so that a record which was moved to another key is seen as damaged too.
//
//	bucket             key                                         payload
//	meta               "format"                                    4B version, which is 4
//	meta               "storage-id"                                36B UUID text of this node
//	companies          name                                        4B company
//	company-names      4B company                                  name
//	labels             4B company, text                            4B label
//	label-texts        4B company, 4B label                        text
//	documents          4B company, 16B document                    8B changes, 8B chunk bytes, 8B first index of the last
//	                                                               run, 32B for each head
//	changes            4B company, 16B document, 8B index          32B hash, type 1 chunk
//	snapshots          4B company, 16B document                    8B changes, 8B chunk bytes of these, 8B bytes of the
//	                                                               document chunk, 8B bytes of the graph record, 4B
//	                                                               generation
//	snapshot-parts     4B company, 16B document, 4B generation,    up to 32 KiB of document chunk (kind 'c') or graph
//	                   1B kind, 4B part                            record (kind 'g')
//	snapshot-trims     4B company, 16B document                    nothing
//	attributions       4B company, 16B document, 8B first index    4B user, 4B device (0 unknown), 8B time, entries
//	sync-states        4B company, 16B document, 16B client        encoded sync state
//	rejections         4B company, 8B sequence                     8B first time, 8B last time, 8B count, 16B document,
//	                                                               32B hash; user, device, reason, detail as 2B length
//	                                                               and text
//	rejection-index    4B company, 16B document, 32B hash, reason  8B sequence
//	revocations        4B company, 1B kind ('u' or 't'), ID        8B time, 8B until (0 for ever), by whom
//	revocation-expiry  8B until, key of the revocation             nothing
//	editors            4B company, 4B user, 16B document           nothing
//	audit              4B company, 8B sequence                     32B hash of the entry before, 8B time, 16B document;
//	                                                               user and action as 2B length and text; detail
//	audit-heads        4B company                                  8B last sequence, 32B hash of that entry
//	tombstones         4B company, 16B document                    8B time, 8B time of the wipe or 0, 16B salt; by whom
//	                                                               and reason as 2B length and text
//	wipes              4B company, 16B document                    8B one window in so many is kept, 8B windows, 4B
//	                                                               fingerprints, 4B records of these
//	fingerprints       4B company, 16B document, 4B number         4B rolling hash and 8B proof for each
//	filler             8B number                                   zeros
//	counters           4B company, name of a table                 8B number given last
//	references         4B company, type, 0x00, reference           16B document
//	document-types     4B company, 16B document                    type, 0x00, reference
//	conflicts          4B company, 16B document, 16B conflict      record, with its first four values
//	conflict-values    4B company, 16B document, 16B conflict,     another value
//	                   4B counter, actor
//	conflict-times     4B company, 8B time or beginning of the     nothing
//	                   conflict with the first bit set, 16B
//	                   document, 16B conflict
//	conflict-notes     4B company, 16B document, 16B conflict, 8B  comment; assignee
//	                   time and 8B random; 8B zero
//	events             4B company, 8B number                       16B document or zeros, event
//	event-state        4B company, 1B kind, and more               16B document or zeros, and more
//	presence           4B company, user                            16B document or zeros, and more
//
// Changes are numbered from 0 without gaps. A snapshot replaces the first of them: it covers the indexes below its
// count, and changes holds the rest, the document's tail. The parts of a large snapshot come in several transactions,
// under a generation of their own. The transaction that writes the record in snapshots makes them the truth: from it on
// nobody reads the covered changes, or the parts of another generation. These are deleted after that, in small
// transactions. A record in snapshot-trims says that there are any to delete, now or after the next start. A document
// record's sums and the attributions go on counting all changes.
//
// Those from references on are the buckets of the Tables. What their records say is others' business, but the store knows
// which document they belong to: it refuses them for one that doesn't exist, and deletes them when that is purged. In
// events, the key is a number that the store gives: it is above all that the company had there, by the record in counters,
// in the order of the commits.
//
// Audit entries of a company count from 1. Only the store's own writes touch them, and nothing removes any. The hash of
// an entry is the SHA-256 of its record's first 32 bytes, its 8B sequence, and the rest of its record's payload; that is
// what the record of the next one begins with. The first one begins with the SHA-256 of "concord audit", a zero byte and
// the name of the company. An entry that was changed, removed or put between is found by walking the chain; one that was
// removed at the end, by audit-heads.
//
// A purge writes a document's tombstone, which stays for ever, and deletes its record in documents. A record in wipes says
// that others may be left, or pages with what they held: these are deleted in small transactions, with some
// fingerprints of their content taken, and then filler takes the place of every free page and is deleted. All of that
// goes on after the next start. A fingerprint is of 32 bytes of key and value: the upper half of their polynomial in
// 0x9e3779b97f4a7c15 modulo 2^64, and the start of the SHA-256 of salt and bytes. Check looks for them in all that is no
// record. What the fingerprints can't tell: copies of the file, and what a disk or file system keeps of former blocks.
//
// A record in editors says that the user has changed the document. It is written with the first run of theirs in
// attributions, and so holds what these do, in another order.
//
// A file of format 1 has none of the three snapshot buckets, and one of format 2 none of those from editors on. One of
// format 3 has no counters and none of the tables whose values begin with a document. Opening it makes it one of format 4,
// which older programs refuse; editors is made of the attributions then.
//
// A client in sync-states is the start of
// SHA-256(2B length of user, user, storage ID).
//
// A run in attributions covers consecutive changes from one user and device. Its entries are the appends: a uvarint
// count of changes and a zigzag varint of milliseconds since the entry before (since the run's time for the first).
// An append extends the last run when user and device are the same and the entries stay within 256 bytes, so that a
// keystroke's attribution costs some 4 bytes where a record of its own would cost 68; users and devices are labels for
// the same reason.
//
// # Backups
//
// A backup is a stream of frames with checksums, which frame.go describes. It holds the whole store as it was at one
// moment, but for sync states, or what was new since the backup before; Restore makes a folder of a full one and those
// that continue it. A backup keeps what was in it: a document that is purged later is still in the older ones, and only
// a restore that has the last one, with its tombstone, leaves it out.
package store
