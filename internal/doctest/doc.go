// Package doctest holds the project's documents to its code: the configuration
// table, links, make targets, metrics and sample of README.md, the packages,
// imports and invariants of ARCHITECTURE.md, and the messages and close codes
// of sync/README.md. It has nothing but tests.
package doctest
