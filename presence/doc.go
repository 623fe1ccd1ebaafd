// Package presence knows who is online, on which devices, which documents they
// look at, and in which fields they type.
//
// A user is online from the first connection on, and offline when there has been
// none for a while (Options.Grace), so that a reconnect tells nobody anything. A
// connection that isn't heard of for Options.TTL doesn't count. Who is online is
// saved with the event that says so; a restarted server takes these users for
// online until Grace has passed, and so tells nothing of those who come back.
//
// One goroutine serves all users. What a connection costs is bounded: some 200
// bytes and 16 for each of its documents, of which the latest 256 count.
package presence
