// Package differential compares crdt with the reference implementations on
// random histories: what a document says now and at earlier heads, with all
// concurrent values, marks and the ids of elements, and the columns that it is
// saved as, byte for byte.
//
// A case is known by a seed and its number, which a failing test prints; the
// variables that repeat it are those of settings.
package differential
