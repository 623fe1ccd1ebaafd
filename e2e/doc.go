// Package e2e holds tests only: the real concord binary, spoken to by stock automerge-repo clients of two generations.
package e2e
