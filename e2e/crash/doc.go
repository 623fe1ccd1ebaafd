// Package crash kills a node with SIGKILL while clients edit, again and again, and holds it to its promise: every
// change that it acknowledged is there after the restart, and the data folder checks clean. It does so once with a
// node as everybody runs it, and once with one that writes snapshots all the time. Other tests kill nodes and commands
// amid imports, deletions, backups and restores, nodes that make events of changes by rules, and nodes to which events
// are published and which hand them out.
//
// CRASH_CYCLES and CRASH_SNAPSHOT_CYCLES, CRASH_IMPORT_CYCLES, CRASH_PURGE_CYCLES, CRASH_BACKUP_CYCLES,
// CRASH_RESTORE_CYCLES, CRASH_DERIVE_CYCLES and CRASH_EVENT_CYCLES are how often (a few times by default), CRASH_SEED replays a run's random choices.
package crash
