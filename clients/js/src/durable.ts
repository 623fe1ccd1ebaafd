import { getChangesMetaSince, hasHeads } from "@automerge/automerge/slim"
import { decodeHeads } from "@automerge/automerge-repo/slim"
import type { DocHandle, StorageId, UrlHeads } from "@automerge/automerge-repo/slim"
import { browserStorage, keep } from "./storage.js"

// The server names only heads that are on disk. A change that is neither among them nor before them isn't known to be.

type Handle = DocHandle<unknown>

const key = (handle: Handle) => `concord:heads:${handle.documentId}`

/** What the server has told of a document last. */
function told(handle: Handle, server: StorageId | undefined): UrlHeads | undefined {
  return server && handle.getSyncInfo(server)?.lastHeads
}

/** Keeps what is known to be on the server's disk, for a page that is opened without a connection. */
export function remember(handle: Handle, server: StorageId | undefined): void {
  const heads = told(handle, server)
  if (!heads || !handle.isReady() || !hasHeads(handle.doc(), decodeHeads(heads))) return
  keep(browserStorage(), key(handle), heads.join())
}

/** How many changes of a document the server hasn't told to have on disk. */
export function countUnsaved(handle: Handle, server: StorageId | undefined): number {
  if (!handle.isReady()) return 0
  const heads = told(handle, server)
  if (heads && String(heads) === String(handle.heads())) return 0
  // Heads that haven't come here yet say nothing of what is before them; what was told earlier does.
  const before = browserStorage()?.getItem(key(handle))?.split(",").filter(Boolean) ?? []
  return getChangesMetaSince(handle.doc(), decodeHeads([...(heads ?? []), ...before] as UrlHeads)).length
}
