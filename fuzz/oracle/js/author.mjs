// Invents histories with the interface of the stock package: several documents that are edited
// and merged now and then.
import * as A from "@automerge/automerge"

class Random {
  constructor(seed) { this.state = seed >>> 0 }
  next() { // mulberry32
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let t = this.state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  below(n) { return Math.floor(this.next() * n) }
  pick(list) { return list[this.below(list.length)] }
  actor() { return Array.from({ length: 32 }, () => "0123456789abcdef"[this.below(16)]).join("") }
}

const keys = ["a", "b", "c", "key", "é", "\uff5a", "\u{1f600}"]
const strings = ["", "x", "hello", "grüß dich", "\u{1f468}\u200d\u{1f469}", "e\u0301 \u20ac", "one two three"]

function scalar(r) {
  return r.pick([
    () => null, () => true, () => false, () => r.below(1000) - 500, () => r.next(), () => -0, () => NaN,
    () => new A.Int(r.below(100)), () => new A.Uint(r.below(100)), () => new A.Float64(r.below(100)),
    () => new A.Counter(r.below(50)), () => new Date(1.7e12 + r.below(1e9)), () => new Uint8Array([r.below(256), 0, 255]),
    () => new A.ImmutableString(r.pick(strings)), () => r.pick(strings), () => BigInt(r.below(1e9)) ** 2n,
  ])()
}

function value(r, depth = 0) {
  if (depth > 2 || r.below(3) > 0) return scalar(r)
  if (r.below(3) === 0) return r.pick(strings) + r.pick(strings)
  if (r.below(2) === 0) return Array.from({ length: r.below(4) }, () => value(r, depth + 1))
  return Object.fromEntries(Array.from({ length: r.below(4) }, () => [r.pick(keys), value(r, depth + 1)]))
}

// places lists all maps, lists and texts with their paths.
function places(value, path, found) {
  if (typeof value === "string") found.push({ kind: "text", path, value })
  else if (Array.isArray(value)) {
    found.push({ kind: "list", path, value })
    value.forEach((v, i) => places(v, [...path, i], found))
  } else if (value !== null && typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype) {
    found.push({ kind: "map", path, value })
    for (const key of Object.keys(value)) places(value[key], [...path, key], found)
  }
  return found
}

const at = (d, path) => path.reduce((v, step) => v[step], d)

function editMap(r, d, { path, value: now }) {
  const map = at(d, path)
  const used = Object.keys(now)
  const key = used.length > 0 && r.below(2) === 0 ? r.pick(used) : r.pick(keys)
  if (now[key] instanceof A.Counter && r.below(3) > 0) map[key].increment(r.below(20) - 10)
  else if (key in now && r.below(4) === 0) delete map[key]
  else map[key] = value(r)
}

function editList(r, d, { path, value: now }) {
  const list = at(d, path)
  const i = r.below(now.length + 1)
  if (now[i] instanceof A.Counter && r.below(2) === 0) list[i].increment(r.below(20) - 10)
  else if (i < now.length && r.below(3) === 0) A.deleteAt(list, i, 1)
  else if (i < now.length && r.below(3) === 0) list[i] = value(r)
  else A.insertAt(list, i, ...Array.from({ length: 1 + r.below(3) }, () => value(r)))
}

const block = r => ({ type: new A.ImmutableString(r.pick(["p", "h1"])), parents: [], attrs: { n: r.below(5) } })

function editText(r, d, { path, value: now }) {
  const at = r.below(now.length + 1)
  const end = Math.min(now.length, at + r.below(6))
  switch (r.below(10)) {
    case 0:
    case 1:
      if (end === at) break
      return A.mark(d, path, { start: at, end, expand: r.pick(["before", "after", "both", "none"]) },
        r.pick(["bold", "it", "color"]), r.pick([true, "red", 7]))
    case 2:
      if (end === at) break
      return A.unmark(d, path, { start: at, end }, r.pick(["bold", "it", "color"]))
    case 3:
      return A.splitBlock(d, path, at, block(r))
    case 4:
      if (now[at] !== "\ufffc") break
      return r.below(2) === 0 ? A.joinBlock(d, path, at) : A.updateBlock(d, path, at, block(r))
    case 5:
      return A.updateText(d, path, now.replaceAll("\ufffc", "").replace(r.pick(["e", "o", " "]), r.pick(strings)))
    case 6:
      return A.updateSpans(d, path, [
        { type: "text", value: r.pick(strings), marks: r.below(2) === 0 ? { bold: true } : {} },
        { type: "text", value: now.replaceAll("\ufffc", "").slice(at) },
      ])
  }
  A.splice(d, path, at, r.below(3) === 0 ? end - at : 0, r.pick(strings))
}

const edits = { map: editMap, list: editList, text: editText }

function change(r, doc) {
  if (r.below(20) === 0) return A.emptyChange(doc, { time: 1 })
  const options = { time: r.below(2000000000) }
  if (r.below(4) === 0) options.message = r.pick(strings)
  return A.change(doc, options, d => {
    for (let n = 1 + r.below(4); n > 0; n--) {
      const kind = r.pick(["map", "list", "text"])
      const all = places(d, [], [])
      const place = r.pick(all.filter(p => p.kind === kind)) ?? all[0]
      edits[place.kind](r, d, place)
    }
  })
}

function history(r) {
  let base = A.from({ a: [1, "two"], b: "some text", c: new A.Counter(1) }, { actor: r.actor() })
  const docs = [base]
  for (let n = 1 + r.below(5); n > 0; n--) docs.push(A.clone(base, { actor: r.actor() }))
  for (let n = 3 + r.below(15); n > 0; n--) {
    const i = r.below(docs.length)
    try {
      if (r.below(3) === 0) docs[i] = A.merge(docs[i], r.pick(docs.filter((_, j) => j !== i)))
      docs[i] = change(r, docs[i])
    } catch (err) {
      tolerate(err)
      docs.splice(i, 1)
      if (docs.length < 2) break
    }
  }
  // The changes of all replicas, dependencies first, without showing the result to anybody.
  const changes = new Map()
  for (const d of docs) for (const c of A.getAllChanges(d)) changes.set(Buffer.from(c).toString("latin1"), c)
  return [...changes.values()]
}

// tolerate lets faults pass that live objects of automerge-js 3.5 have after some merges. What was
// written until then stays good.
function tolerate(err) {
  if (!/Reflect\.get called on non-object|exposed value must record|cannot increment a non-numeric value/.test(String(err))) throw err
}

// authored returns lists of changes, dependencies first.
export function authored(seed, n) {
  const r = new Random(seed)
  return Array.from({ length: n }, () => history(r))
}
