import { next as A } from "@automerge/automerge"
import { Repo, cbor } from "@automerge/automerge-repo"
import { BrowserWebSocketClientAdapter } from "@automerge/automerge-repo-network-websocket"
import { NodeFSStorageAdapter } from "@automerge/automerge-repo-storage-nodefs"
import { run } from "../driver.mjs"

run({
  generation: "v1",
  A,
  Repo,
  Adapter: BrowserWebSocketClientAdapter,
  Storage: NodeFSStorageAdapter,
  cbor,
})
