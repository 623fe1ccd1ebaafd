// Package crdt is Automerge in pure Go: documents of maps, lists, texts, counters and marks that several people edit
// at the same time, offline too, and that end up equal wherever the same changes have arrived. It reads and writes the
// binary format of automerge-js 2 and 3 and of the Rust core.
//
// # Documents
//
// [Doc] is a document with its whole history. [New] and [Load] make one; [Doc.Edit] makes a change; [Doc.Apply],
// [Doc.LoadIncremental] and [Doc.Merge] take changes that others made, in any order; [Doc.Save] and [Doc.SaveSince]
// write it. Every device, and every start of a process, edits with an actor of its own (see [NewActor]): two different
// changes with one actor and number can't be merged.
//
// [View] reads a document as it is ([Doc.View]) or as it was ([Doc.At]): values by path, whole documents as JSON, texts
// with their marks, and the values that were written concurrently. [Diff] says what a change did, or what lies between
// two states. Indexes of texts are UTF-16 code units, as in JavaScript.
//
// # Parts
//
// A server that relays changes needs less than a document. [ParseChange] and [Chunk.ParseDocument] read the format,
// [Graph] keeps who made which change after which, [Orphans] those that came too early, and [OpSet] the content. Doc
// joins them; none depends on it.
//
// # Hostile input
//
// Everything that is read is checked: checksums, hashes, canonical form, limits before memory is taken (see [Limits]),
// and each reference that an op makes. What is accepted can be saved and be loaded again, here and by automerge-js 3.5.
// What isn't is refused with a [*RefusalError], and nothing of it is kept. No input may make this package panic.
//
// The package does no I/O and starts no goroutine. Values of its types aren't safe for concurrent use unless they say
// so.
package crdt
