// Package ledger tests the conflict ledger against an oracle: an implementation
// of the ledger's definition over automerge-js, slow, obvious, and without a
// line in common with the server.
//
// Cases are small histories with the records that the definition gives for
// them, written by hand; the oracle, the ledger, and a model that the ledger may
// have of its own must all say the same about them. Random histories are rich in
// conflicts of all kinds; what the ledger has recorded after they came in some
// order must be what the oracle works out from the changes alone.
package ledger
