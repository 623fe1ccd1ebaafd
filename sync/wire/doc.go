// Package wire holds the messages of the automerge-repo WebSocket protocol,
// version 1, as Go types with their CBOR codec (RFC 8949). It is pure: no I/O,
// no clock, no state; everything is safe for concurrent use.
//
// One binary WebSocket message is one frame is one CBOR map.
package wire
