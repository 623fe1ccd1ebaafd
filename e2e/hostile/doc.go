// Package hostile attacks a real node with everything that a client can send, while two well-behaved peers keep
// editing: the node must stay up in bounded memory, their edits must go on, and each offender must be told why it was
// closed.
//
// HOSTILE_SEED replays a run's random choices, HOSTILE_FRAMES is how many mutated frames are sent (100,000 by default),
// HOSTILE_PHASE runs only the phases with that text in their names.
package hostile
