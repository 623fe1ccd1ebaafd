// Measures automerge-js, one task for each process; prints one line of JSON. The tasks are those of measure.go.
// usage: node --expose-gc engine.mjs TASK BASE BUDGET_MS
import { createHash } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"

const require = createRequire(new URL("../../internal/testkit/stock/js/v2/package.json", import.meta.url))
const A = require("@automerge/automerge")

const [task, base, budget] = process.argv.slice(2)
const read = (suffix) => new Uint8Array(readFileSync(base + suffix))
const meta = () => JSON.parse(readFileSync(base + ".json", "utf8"))

// chunks cuts a concatenation of chunks: 4 bytes magic, 4 bytes checksum, type, length as LEB128, data.
function chunks(bytes) {
  const out = []
  for (let at = 0; at < bytes.length; ) {
    let end = at + 9, length = 0, shift = 0
    for (;;) {
      const b = bytes[end++]
      length += (b & 127) * 2 ** shift
      shift += 7
      if (b < 128) break
    }
    end += length
    out.push(bytes.subarray(at, end))
    at = end
  }
  return out
}

function concat(parts) {
  return new Uint8Array(Buffer.concat(parts))
}

// canonical returns a value as JSON with sorted keys.
function canonical(v) {
  if (v instanceof Date) return String(v.getTime())
  if (v instanceof Uint8Array) return JSON.stringify(Buffer.from(v).toString("base64"))
  if (v instanceof A.Counter) return String(v.value)
  if (A.isImmutableString(v)) return JSON.stringify(v.toString())
  if (Array.isArray(v)) return "[" + v.map(canonical).join(",") + "]"
  if (v && typeof v === "object") {
    return "{" + Object.keys(v).sort().map((k) => JSON.stringify(k) + ":" + canonical(v[k])).join(",") + "}"
  }
  return typeof v === "bigint" ? String(v) : JSON.stringify(v)
}

const digest = (v) => createHash("sha256").update(canonical(v)).digest("hex")
const state = (doc) => A.getHeads(doc).sort().join(" ")

// minSamples are taken even beyond the budget, unless one of them takes more than longSample budgets.
const minSamples = 3
const longSample = 5

// repeat collects samples of f, which returns nanoseconds, after one that counts only when it is a long one.
function repeat(f) {
  const start = performance.now()
  const first = f()
  if (performance.now() - start > longSample * budget) return [first]
  const samples = []
  const end = performance.now() + Number(budget)
  do samples.push(f())
  while ((performance.now() < end || samples.length < minSamples) && samples.length < 200)
  return samples
}

function time(f) {
  const start = process.hrtime.bigint()
  f()
  return Number(process.hrtime.bigint() - start)
}

const tasks = {
  // extract writes the changes of a document.
  extract() {
    writeFileSync(base + ".changes", concat(A.getAllChanges(A.load(read(".source.automerge")))))
    return {}
  },
  // prepare writes the documents of the first and of all changes.
  prepare() {
    const all = chunks(read(".changes"))
    writeFileSync(base + ".automerge", A.save(A.load(concat(all))))
    writeFileSync(base + ".start.automerge", A.save(A.load(concat(all.slice(0, meta().start)))))
    return {}
  },
  verify() {
    const m = meta()
    let doc = A.load(read(".automerge"))
    const out = { check: state(doc), values: [digest(doc)] }
    for (const heads of m.history) out.values.push(digest(A.view(doc, heads)))
    doc = A.load(read(".start.automerge"))
    const tail = chunks(read(".changes")).slice(m.start)
    doc = A.applyChanges(doc, tail.slice(0, -1000))[0]
    for (const c of tail.slice(-1000)) doc = A.applyChanges(doc, [c])[0]
    out.values.push(state(doc), digest(A.load(A.save(doc))))
    return out
  },
  load() {
    const bytes = read(".automerge")
    let check
    const samples = repeat(() => {
      let doc
      const t = time(() => (doc = A.load(bytes)))
      check = state(doc)
      A.free(doc)
      return t
    })
    return { samples, check }
  },
  save() {
    const tail = chunks(read(".changes")).slice(meta().start)
    let doc = A.load(read(".start.automerge"))
    let i = 0
    const samples = repeat(() => {
      doc = A.applyChanges(doc, [tail[i++]])[0]
      return time(() => A.save(doc))
    })
    return { samples }
  },
  "apply-one"() {
    const tail = chunks(read(".changes")).slice(meta().start)
    let doc = A.load(read(".start.automerge"))
    const batch = 100
    let i = 0
    const apply = () => {
      const t = time(() => {
        for (let n = 0; n < batch; n++) doc = A.applyChanges(doc, [tail[i++]])[0]
      })
      return t / batch
    }
    const samples = []
    const end = performance.now() + Number(budget)
    apply()
    do samples.push(apply())
    while (i + batch <= tail.length && (performance.now() < end || samples.length < minSamples))
    return { samples }
  },
  "apply-many"() {
    const tail = chunks(read(".changes")).slice(meta().start)
    const start = read(".start.automerge")
    let check
    const samples = repeat(() => {
      let doc = A.load(start)
      const t = time(() => (doc = A.applyChanges(doc, tail)[0]))
      check = state(doc)
      A.free(doc)
      return t
    })
    return { samples, check }
  },
  "read-at"() {
    const m = meta()
    const doc = A.load(read(".automerge"))
    const samples = repeat(() => time(() => m.history.forEach((heads) => A.toJS(A.view(doc, heads)))) / m.history.length)
    return { samples }
  },
  "edit-text"() {
    return edit("", (doc, at, deleted, inserted) => A.splice(doc, ["text"], at, deleted, inserted))
  },
  "edit-list"() {
    return edit([], (doc, at, deleted, inserted) => {
      if (deleted) doc.text.deleteAt(at, deleted)
      for (const c of inserted) doc.text.insertAt(at++, c.codePointAt(0))
    })
  },
  memory() {
    A.free(A.load(A.save(A.from({ a: 1 }))))
    const bytes = read(".automerge")
    gc()
    const before = process.memoryUsage.rss()
    const doc = A.load(bytes)
    gc()
    const after = process.memoryUsage.rss()
    return { rss: after - before, check: state(doc) }
  },
}

// edit types the recorded keystrokes into an empty text or list, one change each.
function edit(empty, splice) {
  const edits = JSON.parse(readFileSync(base + ".edits.json", "utf8"))
  let value
  const run = () => {
    let doc = A.from({ text: empty })
    const t = time(() => {
      for (const e of edits) doc = A.change(doc, (d) => splice(d, e.At, e.Deleted, e.Inserted))
    })
    value = digest(doc)
    A.free(doc)
    return t
  }
  const samples = repeat(run)
  return { samples, check: value }
}

console.log(JSON.stringify(tasks[task]()))
