// Package crash kills a node with SIGKILL while clients edit, again and again, and holds it to its promise: every
// change that it acknowledged is there after the restart, and the data folder checks clean.
//
// CRASH_CYCLES is how often (20 by default), CRASH_SEED replays a run's random choices.
package crash
