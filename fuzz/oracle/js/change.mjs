// Reads a change as the format describes it. Written for the ledger's oracle, because decodeChange
// of the stock package refuses whole numbers above 2^53; where that doesn't, both must agree.
import { createHash } from "node:crypto"
import { inflateRawSync } from "node:zlib"

class Bytes {
  constructor(bytes) { this.bytes = bytes; this.at = 0 }
  get left() { return this.bytes.length - this.at }

  take(n) {
    if (n > this.left) throw new Error("change ends early")
    this.at += n
    return this.bytes.subarray(this.at - n, this.at)
  }

  // leb reads a number of any size, as a BigInt.
  leb(signed) {
    let n = 0n, shift = 0n, byte
    do {
      byte = BigInt(this.take(1)[0])
      n |= (byte & 0x7fn) << shift
      shift += 7n
    } while (byte & 0x80n)
    return signed && byte & 0x40n ? n - (1n << shift) : n
  }

  uint() { return Number(this.leb(false)) }
  int() { return Number(this.leb(true)) }
  prefixed() { return this.take(this.uint()) }
  text() { return Buffer.from(this.prefixed()).toString("utf8") }
  list(read) { return Array.from({ length: this.uint() }, read) }
}

// runs yields the items of a run-length column, null for absent ones, and null for ever after its end.
function* runs(bytes, read) {
  const b = new Bytes(bytes)
  while (b.left > 0) {
    const n = b.int()
    if (n === 0) for (let k = b.uint(); k > 0; k--) yield null
    else if (n > 0) for (let v = read(b), k = n; k > 0; k--) yield v
    else for (let k = n; k < 0; k++) yield read(b)
  }
  for (;;) yield null
}

function* deltas(bytes) {
  let sum = 0
  for (const d of runs(bytes, b => b.int())) yield d === null ? null : sum += d
}

function* booleans(bytes) {
  const b = new Bytes(bytes)
  for (let v = false; b.left > 0; v = !v) for (let k = b.uint(); k > 0; k--) yield v
  for (;;) yield false
}

const types = ["null", "false", "true", "uint", "int", "f64", "str", "bytes", "counter", "timestamp"]

// scalar is a value with its type; numbers are BigInts, but for floats.
function scalar(meta, raw) {
  const type = types[meta % 16] ?? `unknown${meta % 16}`
  const bytes = raw.take(Math.floor(meta / 16))
  switch (type) {
    case "null": return { type, value: null }
    case "false": return { type: "boolean", value: false }
    case "true": return { type: "boolean", value: true }
    case "uint": return { type, value: new Bytes(bytes).leb(false) }
    case "int":
    case "counter":
    case "timestamp": return { type, value: new Bytes(bytes).leb(true) }
    case "f64": return { type, value: Buffer.from(bytes).readDoubleLE() }
    case "str": return { type, value: Buffer.from(bytes).toString("utf8") }
  }
  return { type, value: Buffer.from(bytes) }
}

const actions = ["makeMap", "set", "makeList", "del", "makeText", "inc", "makeTable", "mark"]

function* operations(columns, actors, author, startOp) {
  const column = spec => columns.get(spec) ?? new Uint8Array()
  const readers = {
    objActor: runs(column(0x01), b => b.uint()), objCounter: runs(column(0x02), b => b.uint()),
    keyActor: runs(column(0x11), b => b.uint()), keyCounter: deltas(column(0x13)),
    keyText: runs(column(0x15), b => b.text()), insert: booleans(column(0x34)),
    meta: runs(column(0x56), b => b.uint()), preds: runs(column(0x70), b => b.uint()),
  }
  const predActors = runs(column(0x71), b => b.uint()), predCounters = deltas(column(0x73))
  const raw = new Bytes(column(0x57))
  let number = startOp
  for (const action of runs(column(0x42), b => b.uint())) {
    if (action === null) return
    const row = Object.fromEntries(Object.entries(readers).map(([name, r]) => [name, r.next().value]))
    const id = (counter, actor) => `${counter}@${actors[actor]}`
    yield {
      id: `${number++}@${author}`,
      action: actions[action],
      obj: row.objActor === null ? "_root" : id(row.objCounter, row.objActor),
      key: row.keyText,
      elem: row.keyText !== null ? null : row.keyActor === null ? "_head" : id(row.keyCounter, row.keyActor),
      insert: row.insert,
      value: scalar(row.meta ?? 0, raw),
      pred: Array.from({ length: row.preds ?? 0 }, () => id(predCounters.next().value, predActors.next().value)),
    }
  }
}

const hex = bytes => Buffer.from(bytes).toString("hex")

// readChange returns a change with its ops, from a chunk of type 1 or 2.
export function readChange(chunk) {
  const outer = new Bytes(chunk)
  outer.take(8)
  const type = outer.take(1)[0]
  let data = outer.prefixed()
  if (type === 2) data = inflateRawSync(data)
  const b = new Bytes(data)
  const deps = b.list(() => hex(b.take(32)))
  const author = hex(b.prefixed())
  const [seq, startOp, time, message] = [b.uint(), b.uint(), b.leb(true), b.text()]
  const actors = [author, ...b.list(() => hex(b.prefixed()))]
  const lengths = b.list(() => [b.uint(), b.uint()])
  const columns = new Map(lengths.map(([spec, n]) => [spec, b.take(n)]))
  const ops = [...operations(columns, actors, author, startOp)]
  return { hash: hashOf(data), deps, actor: author, seq, startOp, time, message, ops }
}

function hashOf(data) {
  const head = [1]
  let n = data.length
  for (; n >= 0x80; n = Math.floor(n / 128)) head.push(n % 128 + 128)
  head.push(n)
  return createHash("sha256").update(Buffer.from(head)).update(data).digest("hex")
}
