// Package wire holds the messages of the automerge-repo WebSocket protocol,
// version 1, as Go types with their CBOR codec (RFC 8949). It is pure: no I/O,
// no clock, no state; everything is safe for concurrent use.
//
// One binary WebSocket message is one frame is one CBOR map with text keys.
//
// The decoder walks the bytes itself instead of using a CBOR library: it
// leaves data where it is in the frame, and it knows the size, type and count
// of everything before it takes memory for it. It reads what cbor-x writes and
// what the other implementations of the protocol write:
//
//   - lengths and integers need not be minimal; maps and arrays may be indefinite,
//     strings may not (cbor-x can't read those either)
//   - undefined is the same as absent, everywhere; so is null for an optional field
//   - byte strings may carry tag 64, the frame tag 55799
//   - a number may be an integer or a float of any width, if its value is an
//     integer from 0 to 2^53
//
// Fields that a message doesn't have are skipped: they must be well-formed,
// valid UTF-8 and within the limits, and may repeat keys at deeper levels.
// Repeated keys in the maps that are read are refused.
//
// The encoder writes what cbor-x reads without surprises: definite lengths,
// untagged byte strings, integers from 2^32 up as float64.
package wire
