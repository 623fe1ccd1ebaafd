// The stock sync server, to compare with: node reference-server.mjs [--port N] [--storage DIR]
// Prints one JSON line {"address": "127.0.0.1:N"} when it listens.

import { parseArgs } from "node:util"
import { WebSocketServer } from "ws"
import { Repo } from "@automerge/automerge-repo"
import { WebSocketServerAdapter } from "@automerge/automerge-repo-network-websocket"
import { NodeFSStorageAdapter } from "@automerge/automerge-repo-storage-nodefs"

const { values } = parseArgs({ options: { port: { type: "string", default: "0" }, storage: { type: "string" } } })

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(values.port) })
server.on("listening", async () => {
  const repo = new Repo({
    network: [new WebSocketServerAdapter(server)],
    storage: values.storage ? new NodeFSStorageAdapter(values.storage) : undefined,
    peerId: `reference-${process.pid}`,
    // A sync server speaks only of documents that a peer has mentioned.
    sharePolicy: async () => false,
  })
  // A join that arrives before the storage ID is loaded is lost.
  await repo.storageId()
  console.log(JSON.stringify({ address: `127.0.0.1:${server.address().port}` }))
})
// Lives as long as whoever started it keeps stdin open.
process.stdin.resume().on("end", () => process.exit(0))
