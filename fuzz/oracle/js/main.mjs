// Answers requests of package oracle: JSON lines on stdin and stdout, byte strings in base64.
// The WebAssembly module of the stock package is used directly, because it tells the types and
// ids of values, which the objects of the package's own interface don't show.
import { createInterface } from "node:readline"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"
import path from "node:path"
import { authored } from "./author.mjs"
import { dump } from "./dump.mjs"

const require = createRequire(import.meta.url)
const entry = fileURLToPath(import.meta.resolve("@automerge/automerge"))
const wasm = require(path.join(path.dirname(entry), "../wasm_bindgen_output/nodejs/automerge_wasm.cjs"))

const decode = text => new Uint8Array(Buffer.from(text, "base64"))
const encode = bytes => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64")

// A panic inside the module leaves it unusable: the process that has asked starts another one.
function describe(error) {
  return { error: String(error?.message ?? error), panic: error instanceof WebAssembly.RuntimeError }
}

// open makes the documents of a case: `live` has got the changes in batches, `loaded` comes from saved bytes.
function open(c, documents) {
  const live = wasm.create({ actor: "ffff" })
  documents.push(live)
  const changes = c.changes.map(decode)
  for (const batch of c.batches ?? []) live.applyChanges(batch.map(i => changes[i]))
  if (c.load === undefined) return live
  const loaded = wasm.load(decode(c.load), { actor: "ffff" })
  documents.push(loaded)
  return loaded
}

function answer(c) {
  const documents = []
  try {
    const result = {}
    let doc = open(c, documents)
    if (c.load === undefined) {
      result.liveHeads = doc.getHeads()
      result.live = c.quick ? undefined : dump(doc)
      const saved = doc.saveNoCompress()
      result.save = encode(saved)
      doc = wasm.load(saved, { actor: "ffff" })
      documents.push(doc)
    } else {
      result.save = encode(doc.saveNoCompress())
    }
    result.heads = doc.getHeads()
    result.dump = dump(doc)
    if (result.live === result.dump) delete result.live
    result.views = (c.views ?? []).map(heads => dump(doc, heads))
    if (c.whole) result.changes = doc.getChanges([]).map(encode)
    return result
  } catch (error) {
    return describe(error)
  } finally {
    try { for (const d of documents) d.free() } catch { /* the module has panicked */ }
  }
}

const commands = {
  cases: request => request.cases.map(answer),
  author: request => authored(request.seed, request.cases).map(changes => changes.map(encode)),
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line)
  let reply
  try {
    reply = { result: commands[request.command](request) }
  } catch (error) {
    reply = describe(error)
  }
  process.stdout.write(JSON.stringify({ id: request.id, ...reply }) + "\n")
}
