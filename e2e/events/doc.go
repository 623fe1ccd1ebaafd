// Package events holds tests only: who hears what of the real concord binary's events, over each transport, and what many
// listeners cost it.
package events
