// Says what documents hold at earlier heads, and which change wrote it.
import { view, load, Counter, ImmutableString } from "@automerge/automerge"

const byUTF8 = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))

// json writes a value of the package's own interface as JSON, keys in UTF-8 order.
function json(value) {
  if (value === null || value === undefined) return "null"
  if (value instanceof Counter) return json(value.value)
  if (value instanceof ImmutableString) return JSON.stringify(value.val)
  if (value instanceof Date) return JSON.stringify(value)
  if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString("base64"))
  if (typeof value === "bigint") return String(value)
  if (Array.isArray(value)) return "[" + value.map(json).join(",") + "]"
  if (typeof value !== "object") return JSON.stringify(value)
  return "{" + Object.keys(value).sort(byUTF8).map(k => JSON.stringify(k) + ":" + json(value[k])).join(",") + "}"
}

const escaped = key => key.replaceAll("~", "~0").replaceAll("/", "~1")

// Authors finds the change of each value that a document shows at heads.
class Authors {
  constructor(doc, changes, heads) {
    this.doc = doc
    this.heads = heads
    this.byActor = new Map()
    for (const c of changes) {
      if (!this.byActor.has(c.actor)) this.byActor.set(c.actor, [])
      this.byActor.get(c.actor).push(c)
    }
    this.lines = []
  }

  change(op) {
    const [counter, actor] = op.split("@")
    return this.byActor.get(actor).find(c => c.startOp <= counter && counter < c.startOp + c.ops.length).hash
  }

  winner(obj, prop) { return this.doc.getAll(obj, prop, this.heads).at(-1) }

  map(path, obj) {
    for (const key of this.doc.keys(obj, this.heads).sort(byUTF8)) this.value(`${path}/${escaped(key)}`, this.winner(obj, key))
  }

  list(path, obj) {
    const length = this.doc.length(obj, this.heads)
    for (let i = 0; i < length; i++) this.value(`${path}/${i}`, this.winner(obj, i))
  }

  value(path, [type, value, id]) {
    const objects = { map: () => this.map(path, value), list: () => this.list(path, value), text: () => this.text(path, value) }
    const before = this.lines.length
    objects[type]?.()
    if (this.lines.length === before) this.lines.push(`${path} ${this.change(type in objects || type === "table" ? value : id)}`)
  }

  // text writes one line for each part of a text that one change has written.
  text(path, obj) {
    const length = this.doc.text(obj, this.heads).length
    let start = 0, hash
    for (let i = 0; i < length;) {
      const [type, value, id] = this.winner(obj, i)
      const own = this.change(type === "map" || type === "list" || type === "text" ? value : id)
      if (own !== hash && hash !== undefined) {
        this.lines.push(`${path} ${start} ${i - start} ${hash}`)
        start = i
      }
      hash = own
      i += type === "str" ? Math.max(1, value.length) : 1
    }
    if (hash !== undefined) this.lines.push(`${path} ${start} ${length - start} ${hash}`)
  }
}

// states describes a document at each of several heads. doc is it in the stock module, changes
// are its changes, decoded.
export function states(bytes, doc, changes, all) {
  const live = load(bytes)
  return all.map(heads => {
    const authors = new Authors(doc, changes, heads)
    authors.map("", "_root")
    return { json: json(view(live, heads)), authors: authors.lines }
  })
}
