// Package crash kills a node with SIGKILL while clients edit, again and again, and holds it to its promise: every
// change that it acknowledged is there after the restart, and the data folder checks clean. It does so once with a
// node as everybody runs it, and once with one that writes snapshots all the time.
//
// CRASH_CYCLES and CRASH_SNAPSHOT_CYCLES are how often (20 and 15 by default), CRASH_SEED replays a run's random choices.
package crash
