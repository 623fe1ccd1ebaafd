import * as Automerge from "@automerge/automerge"
import { Presence, Repo, cbor } from "@automerge/automerge-repo"
import { WebSocketClientAdapter } from "@automerge/automerge-repo-network-websocket"
import { NodeFSStorageAdapter } from "@automerge/automerge-repo-storage-nodefs"
import { run } from "../driver.mjs"

run({
  generation: "v2",
  A: Automerge.next ?? Automerge,
  Repo,
  Presence,
  Adapter: WebSocketClientAdapter,
  Storage: NodeFSStorageAdapter,
  cbor,
})
