// The conflict ledger by its definition, from nothing but a document's changes: every pair of writes
// of a place is looked at. Slow and obvious; the server's ledger must say the same.
import { createHash } from "node:crypto"

const MAKES = { makeMap: "map", makeList: "list", makeText: "text", makeTable: "table" }

// compareIDs orders op ids: by counter, then by the actor's bytes. Of hex digits in lower case, text
// order is the order of bytes.
export function compareIDs(a, b) {
  const [ca, aa] = a.split("@"), [cb, ab] = b.split("@")
  return Number(ca) - Number(cb) || (aa < ab ? -1 : aa > ab ? 1 : 0)
}

const byID = (a, b) => compareIDs(a.id, b.id)

// History says which op came before which.
export class History {
  constructor(changes) { // dependencies first
    this.changes = changes
    this.index = new Map(changes.map((c, i) => [c.hash, i]))
    this.before = changes.map(() => new Set()) // ancestors
    this.ops = new Map()
    this.objects = new Map([["_root", { kind: "map", made: null }]])
    changes.forEach((c, i) => {
      for (const hash of c.deps) {
        const d = this.index.get(hash)
        if (d === undefined || d >= i) throw new Error(`change ${c.hash} stands before its dependency ${hash}`)
        this.before[i].add(d)
        for (const a of this.before[d]) this.before[i].add(a)
      }
      for (const op of c.ops) {
        op.change = i
        op.at = op.insert ? op.id : op.elem ?? op.key // within its object
        this.ops.set(op.id, op)
        if (op.action in MAKES) this.objects.set(op.id, { kind: MAKES[op.action], made: op })
      }
    })
  }

  kind(obj) { return this.objects.get(obj).kind }
  isPlace(op) { return op.action !== "mark" && ["map", "list"].includes(this.kind(op.obj)) }

  // less reports whether b's author had seen a, or wrote it before b in the same change.
  less(a, b) {
    if (a.change === b.change) return Number(a.id.split("@")[0]) < Number(b.id.split("@")[0])
    return this.before[b.change].has(a.change)
  }

  concurrent(a, b) { return a !== b && !this.less(a, b) && !this.less(b, a) }
  includes(change, other) { return change === other || this.before[change].has(other) }

  // places returns the writes of each place, ascending.
  places() {
    const places = new Map()
    for (const op of this.ops.values()) {
      if (!this.isPlace(op)) continue
      const name = JSON.stringify([op.obj, op.at])
      if (!places.has(name)) places.set(name, [])
      places.get(name).push(op)
    }
    for (const writes of places.values()) writes.sort(byID)
    return [...places.values()]
  }

  field(op) {
    const steps = []
    for (let o = op; o; o = this.objects.get(o.obj).made) {
      steps.unshift(this.kind(o.obj) === "map" ? o.key.replaceAll("~", "~0").replaceAll("/", "~1") : "*")
    }
    return steps.map(s => "/" + s).join("")
  }
}

// episodesOf returns the connected components of "concurrent", the earliest first.
export function episodesOf(h, writes) {
  const part = writes.map((_, i) => i)
  const root = i => part[i] === i ? i : root(part[i])
  for (let i = 0; i < writes.length; i++) {
    for (let j = 0; j < i; j++) if (h.concurrent(writes[i], writes[j])) part[root(i)] = root(j)
  }
  const parts = new Map()
  writes.forEach((w, i) => parts.set(root(i), [...parts.get(root(i)) ?? [], w]))
  const episodes = [...parts.values()].sort((a, b) => h.less(a[0], b[0]) ? -1 : 1)
  for (let i = 1; i < episodes.length; i++) {
    if (!episodes[i - 1].every(a => episodes[i].every(b => h.less(a, b)))) throw new Error("episodes aren't in order")
  }
  return episodes
}

// number is a value's mathematical value: a BigInt if it is whole, else a float.
function number({ type, value }) {
  if (type !== "f64") return value
  return Number.isInteger(value) ? BigInt(value) : value
}

const isNumber = v => ["int", "uint", "f64"].includes(v.type)

function equalScalars(a, b) {
  if (isNumber(a) && isNumber(b)) return Object.is(number(a), number(b))
  if (a.type !== b.type) return false
  return Buffer.isBuffer(a.value) ? a.value.equals(b.value) : a.value === b.value
}

function differ(a, b) {
  if (a.action !== b.action) return true
  if (a.action === "del" || a.action === "inc") return false
  return a.action in MAKES || !equalScalars(a.value, b.value)
}

// visible returns those of a place's writes whose values show when there are no others, ascending.
export function visible(writes) {
  return writes.filter(w => w.action !== "del" && w.action !== "inc" && !writes.some(o =>
    o.pred.includes(w.id) && !(o.action === "inc" && w.action === "set" && w.value.type === "counter")))
}

function identify(prefix, document, place, root) {
  const sum = createHash("sha256").update(prefix + "\0").update(document)
  sum.update(`${place.obj}\0${place.elem !== null ? "e" + place.at : "k" + place.key}\0`)
  for (const id of root) sum.update(id + "\0")
  return sum.digest("hex").slice(0, 32)
}

function json({ type, value }) {
  switch (type) {
    case "uint": case "int": case "counter": return String(value)
    case "timestamp": return JSON.stringify(new Date(Number(value)))
  }
  return Buffer.isBuffer(value) ? JSON.stringify(value.toString("base64")) : JSON.stringify(value)
}

const side = op => ({
  op: op.id, action: op.action, change: op.change,
  json: ["set", "inc", "mark"].includes(op.action) ? json(op.value) : "",
})

// record makes a record of what all kinds have in common.
function record(h, document, kind, place, root, values) {
  const id = identify(kind === "lost-edit" ? kind : "conflict", document, place, root)
  return {
    id, kind, object: place.obj, ...place.elem !== null ? { elem: place.at } : { key: place.key },
    field: h.field(place), root, values: values.sort(byID).map(side), status: "open", resolver: resolver(h, id, values),
  }
}

// resolver returns the change that resolved a conflict, if one did.
function resolver(h, id, values) {
  const all = h.changes.filter((c, i) => c.message.startsWith("Resolve conflict " + id) && values.every(v => h.includes(i, v.change)))
  all.sort((a, b) => a.startOp - b.startOp || (a.actor < b.actor ? -1 : a.actor > b.actor ? 1 : a.seq - b.seq))
  return all[0]
}

// close says how a record ended, where later are the writes that would supersede it.
function close(r, later) {
  const { resolver, ...rest } = r
  if (resolver) return { ...rest, status: "resolved", closer: resolver.hash }
  if (later.length > 0) return { ...rest, status: "superseded", closer: later.sort(byID)[0].id }
  return rest
}

function updates(h, document, writes) {
  const episodes = episodesOf(h, writes)
  const records = []
  let root = [], past = []
  episodes.forEach((episode, i) => {
    const before = visible(past).at(-1)
    past = [...past, ...episode].sort(byID)
    const pairs = episode.flatMap(a => episode.filter(b => h.concurrent(a, b) && differ(a, b)).map(b => [a, b]))
    if (pairs.length > 0) {
      const kind = pairs.some(p => p.every(w => w.action !== "del")) ? "update-update" : "delete-update"
      const r = record(h, document, kind, writes[0], root, [...new Set(pairs.flat())])
      records.push(close({ ...r, before: before?.id, winner: visible(past).at(-1)?.id }, [...episodes[i + 1] ?? []]))
    }
    root = episode.filter(a => !episode.some(b => h.less(a, b))).map(w => w.id)
  })
  return records
}

// lostEdits returns at most one record for the object that an op of a place made.
function lostEdits(h, document, writes, made) {
  const kind = MAKES[made.action]
  const removals = writes.filter(w => w.pred.includes(made.id) && w.action !== "inc")
  if (removals.length === 0 || kind === undefined || kind === "table") return []
  const within = obj => obj === made.id || obj !== "_root" && within(h.objects.get(obj).made.obj)
  const edits = [...h.ops.values()].filter(o => within(o.obj))
  const lost = edits.filter(e => removals.some(r => h.concurrent(e, r)))
  if (lost.length === 0) return []
  const last = new Map() // of each change and place, or text
  for (const e of lost.sort(byID)) last.set(JSON.stringify([e.change, e.obj, h.kind(e.obj) === "text" ? null : e.at]), e)
  const values = [...removals.filter(r => edits.some(e => h.concurrent(e, r))), ...last.values()]
  const r = record(h, document, "lost-edit", made, [made.id], values)
  return [close({ ...r, before: made.id }, writes.filter(w => values.every(v => h.less(v, w))))]
}

// ledger returns all records of a document, given by its 16 bytes and its changes.
export function ledger(h, document) {
  return h.places().flatMap(writes => [...updates(h, document, writes), ...writes.flatMap(w => lostEdits(h, document, writes, w))])
}
