// Writes what a document says as text, the form that package oracle describes.

const byUTF8 = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))

const bits = new DataView(new ArrayBuffer(8))

function float(f) {
  if (Number.isNaN(f)) return "fNaN"
  bits.setFloat64(0, f)
  return "f" + bits.getBigUint64(0).toString(16)
}

function scalar(type, value) {
  switch (type) {
    case "null": return "null"
    case "boolean": return String(value)
    case "int": return `i${value}`
    case "uint": return `u${value}`
    case "f64": return float(value)
    case "str": return JSON.stringify(value)
    case "bytes": return "b" + Buffer.from(value).toString("hex")
    case "counter": return `c${value}`
    case "timestamp": return `t${value.getTime()}`
    default: return `x${type} ${Buffer.from(value).toString("hex")}`
  }
}

// plain writes a value that JavaScript shows without its type.
function plain(value) {
  if (value instanceof Date) return `t${value.getTime()}`
  if (value instanceof Uint8Array) return "b" + Buffer.from(value).toString("hex")
  if (typeof value === "number" || typeof value === "bigint") return `n${value}`
  return typeof value === "string" ? JSON.stringify(value) : String(value)
}

class Writer {
  constructor(doc, heads) {
    this.doc = doc
    this.heads = heads
    this.lines = []
  }

  map(id) {
    this.lines.push("{")
    const keys = this.doc.keys(id, this.heads)
    for (const key of keys.sort(byUTF8)) this.place(JSON.stringify(key), id, key)
    this.lines.push("}")
  }

  // place writes all visible values of a key or an element, the winner last. It returns the winner.
  place(label, obj, prop) {
    const all = this.doc.getAll(obj, prop, this.heads)
    if (all.length === 0) this.lines.push(`${label} nothing`)
    for (const v of all) {
      this.value(label, v)
      label = "|"
    }
    const winner = all.at(-1)
    if (this.heads !== undefined) return winner
    const shown = this.doc.getWithType(obj, prop, this.heads)
    if (String(shown) !== String(winner?.slice(0, 2))) this.lines.push(`winner ${shown}`)
    return winner
  }

  value(label, [type, value, id]) {
    switch (type) {
      case "map":
        this.lines.push(`${label} ${value} map`)
        return this.map(value)
      case "table": // can't hold anything
        return this.lines.push(`${label} ${value} table`, "{", "}")
      case "list":
        this.lines.push(`${label} ${value} list`)
        return this.list(value)
      case "text":
        this.lines.push(`${label} ${value} text`)
        return this.text(value)
    }
    this.lines.push(`${label} ${id} ${scalar(type, value)}`)
  }

  list(id) {
    this.lines.push("[")
    const length = this.doc.length(id, this.heads)
    for (let i = 0; i < length; i++) this.place("-", id, i)
    this.lines.push("]")
  }

  // spans joins neighbours with the same marks: an empty marked element parts them in 3.5.
  spans(id) {
    let text = "", marks = ""
    const flush = () => {
      if (text !== "") this.lines.push(`span ${JSON.stringify(text)}${marks}`)
      text = ""
    }
    for (const span of this.doc.spans(id, this.heads)) {
      const own = Object.entries(span.marks ?? {}).sort((a, b) => byUTF8(a[0], b[0]))
        .map(([name, value]) => ` ${JSON.stringify(name)}=${plain(value)}`).join("")
      if (span.type === "block" || own !== marks) flush()
      marks = own
      if (span.type === "block") this.lines.push("block")
      else text += span.value
    }
    flush()
  }

  text(id) {
    const text = this.doc.text(id, this.heads)
    this.lines.push("[", JSON.stringify(text))
    // In the past 3.5 counts every value of an element that has several.
    const length = this.heads === undefined ? this.doc.length(id) : text.length
    if (length !== text.length) this.lines.push(`length ${length}`)
    for (let i = 0; i < length;) {
      const winner = this.place("-", id, i)
      i += winner?.[0] === "str" ? Math.max(1, winner[1].length) : 1
    }
    this.spans(id)
    // Marks of an earlier view are wrong in 3.5: it shows the current ones.
    if (this.heads === undefined) {
      for (const m of this.doc.marks(id)) {
        this.lines.push(`mark ${JSON.stringify(m.name)} ${m.start} ${m.end} ${plain(m.value)}`)
      }
    }
    this.lines.push("]")
  }
}

// dump describes the document at heads, or as it is when heads are undefined.
export function dump(doc, heads) {
  const w = new Writer(doc, heads)
  w.map("_root")
  return w.lines.join("\n")
}
