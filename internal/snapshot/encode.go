//go:build !concord_break_snapshot

package snapshot

import "concord/crdt"

func openDocument(chunk []byte) (document, error) { return crdt.Load(chunk, storedLimits) }
