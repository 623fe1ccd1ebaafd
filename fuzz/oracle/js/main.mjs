// Answers requests of package oracle: JSON lines on stdin and stdout, byte strings in base64.
// The WebAssembly module of the stock package is used directly, because it tells the types and
// ids of values, which the objects of the package's own interface don't show.
import { createInterface } from "node:readline"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"
import path from "node:path"
import { authored } from "./author.mjs"
import { readChange } from "./change.mjs"
import { dump } from "./dump.mjs"
import { History, ledger } from "./ledger.mjs"
import { compareShown } from "./shown.mjs"
import { states } from "./states.mjs"

const require = createRequire(import.meta.url)
const entry = fileURLToPath(import.meta.resolve("@automerge/automerge"))
const wasm = require(path.join(path.dirname(entry), "../wasm_bindgen_output/nodejs/automerge_wasm.cjs"))

const decode = text => new Uint8Array(Buffer.from(text, "base64"))
const encode = bytes => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64")

// A panic inside the module leaves it unusable: the process that has asked starts another one.
function describe(error) {
  return { error: String(error?.message ?? error), panic: error instanceof WebAssembly.RuntimeError }
}

function answer(c) {
  const documents = []
  const keep = doc => documents[documents.push(doc) - 1]
  const load = bytes => keep(wasm.load(bytes, { actor: "ffff" }))
  try {
    const result = c.batches ? apply(c, keep(wasm.create({ actor: "ffff" }))) : {}
    const doc = load(result.saved ?? decode(c.load))
    result.heads = doc.getHeads()
    result.dump = dump(doc)
    if (result.live === result.dump) delete result.live
    result.save = encode(result.saved ?? doc.saveNoCompress())
    delete result.saved
    result.views = (c.views ?? []).map(heads => dump(doc, heads))
    if (c.load && c.batches) result.loaded = answerLoaded(load, decode(c.load), result.dump)
    return result
  } catch (error) {
    return describe(error)
  } finally {
    try { for (const d of documents) d.free() } catch { /* the module has panicked */ }
  }
}

function apply(c, live) {
  try {
    const changes = c.changes.map(decode)
    for (const batch of c.batches) live.applyChanges(batch.map(i => changes[i]))
    return { saved: live.saveNoCompress(), liveHeads: live.getHeads(), live: dump(live) }
  } catch (error) {
    if (!c.load || error instanceof WebAssembly.RuntimeError) throw error
    return { liveError: error.message }
  }
}

function answerLoaded(load, bytes, expected) {
  try {
    const doc = load(bytes)
    const result = { heads: doc.getHeads(), save: encode(doc.saveNoCompress()), dump: dump(doc) }
    if (result.dump === expected) delete result.dump
    return result
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) throw error
    return describe(error)
  }
}

// conflicts is the ledger of one document, which automerge-js has taken in.
function conflicts(c) {
  const doc = wasm.load(Buffer.concat(c.changes.map(decode)), { actor: "ffff" })
  try {
    const raw = doc.getChanges([])
    const changes = raw.map(readChange)
    if (changes.length !== c.changes.length) throw new Error(`${c.changes.length} changes, of which automerge-js takes ${changes.length}`)
    const h = new History(changes)
    const records = ledger(h, Buffer.from(c.document, "hex"))
    return { records, looks: compareShown(h, doc), decoded: changes.filter((c, i) => compareDecoded(c, raw[i])).length }
  } catch (error) {
    return describe(error)
  } finally {
    try { doc.free() } catch { /* the module has panicked */ }
  }
}

// compareDecoded holds a change against what the stock package reads in it, and returns false
// where that reads nothing.
function compareDecoded(change, bytes) {
  let theirs
  try { theirs = wasm.decodeChange(bytes) } catch { return false }
  const form = c => JSON.stringify([c.hash, c.actor, c.seq, c.startOp, String(c.time), c.message ?? "", [...c.deps].sort(), c.ops.map(o => [
    o.action.replace(/^mark.*/, "mark"), o.obj, o.key ?? o.elemId ?? o.elem, o.insert ?? false, o.pred ?? [],
  ])])
  if (form(change) !== form(theirs)) throw new Error(`read ${form(change)}, automerge-js ${form(theirs)}`)
  return true
}

// past is what a document held at earlier heads.
function past(c) {
  const doc = wasm.load(decode(c.load), { actor: "ffff" })
  try {
    return { states: states(decode(c.load), doc, doc.getChanges([]).map(readChange), c.views) }
  } catch (error) {
    return describe(error)
  } finally {
    try { doc.free() } catch { /* the module has panicked */ }
  }
}

const commands = {
  past: request => past(request.case),
  ledger: request => request.cases.map(conflicts),
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
