// Values as tagged JSON, so that what a document holds survives the way to another language.
//
//   {"$date": ms}  {"$counter": n}  {"$bytes": base64}  {"$uint": "n"}  {"$int": n}  {"$float": n | "NaN" | "Infinity" | "-Infinity"}
//   {"$string": s} is a scalar string (a plain JSON string is a text object); {"$bigint": "n"} an integer beyond 2^53.
//
// A key of a user's own map that begins with "$" is not supported.

/** Returns a decoder and an encoder for the given Automerge module ("next" API). */
export function codec(A) {
  const ScalarString = A.ImmutableString ?? A.RawString

  function fromTagged(v) {
    if (v === null || typeof v !== "object") return v
    if (Array.isArray(v)) return v.map(fromTagged)
    if ("$date" in v) return new Date(v.$date)
    if ("$counter" in v) return new A.Counter(v.$counter)
    if ("$bytes" in v) return new Uint8Array(Buffer.from(v.$bytes, "base64"))
    if ("$uint" in v) return new A.Uint(Number(v.$uint))
    if ("$int" in v) return new A.Int(v.$int)
    if ("$float" in v) return new A.Float64(Number(v.$float))
    if ("$bigint" in v) return BigInt(v.$bigint)
    if ("$string" in v) return new ScalarString(v.$string)
    return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, fromTagged(x)]))
  }

  function toTagged(v) {
    switch (typeof v) {
      case "bigint":
        return { $bigint: v.toString() }
      case "number":
        return Number.isFinite(v) ? v : { $float: String(v) }
      case "undefined":
        return null
      case "object":
        break
      default:
        return v
    }
    if (v === null) return null
    if (v instanceof Date) return { $date: v.getTime() }
    if (v instanceof A.Counter) return { $counter: Number(v.value) }
    if (v instanceof Uint8Array) return { $bytes: Buffer.from(v).toString("base64") }
    if (A.isRawString(v)) return { $string: v.val }
    if (Array.isArray(v)) return v.map(toTagged)
    return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, toTagged(x)]))
  }

  return { fromTagged, toTagged }
}
