// Makes src/catalogue.ts from the schemas of the server's catalogue: npm run types.

import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const schemas = new URL("../../../events/schema/", import.meta.url)
export const target = new URL("../src/catalogue.ts", import.meta.url)

const plain = { string: "string", number: "number", integer: "number", boolean: "boolean", null: "null" }

/** Writes a schema as a type. */
function typeOf(schema, indent) {
  if (schema.enum) return schema.enum.map(value => JSON.stringify(value)).join(" | ")
  const types = [schema.type ?? []].flat()
  const words = types.map(type => {
    if (type === "object") return objectOf(schema, indent)
    if (type !== "array") return plain[type] ?? fail(`the type ${type}`)
    const item = schema.items ? typeOf(schema.items, indent) : "unknown"
    return item.includes(" | ") ? `(${item})[]` : `${item}[]`
  })
  return words.length > 0 ? words.join(" | ") : "unknown"
}

function objectOf({ properties, required = [] }, indent) {
  if (!properties) return "Record<string, unknown>"
  const lines = Object.entries(properties).flatMap(([name, schema]) => {
    const note = schema.description ? [`${indent}  /** ${sentence(schema.description)} */`] : []
    return [...note, `${indent}  ${name}${required.includes(name) ? "" : "?"}: ${typeOf(schema, indent + "  ")}`]
  })
  return ["{", ...lines, `${indent}}`].join("\n")
}

const sentence = text => text[0].toUpperCase() + text.slice(1) + (text.endsWith(".") ? "" : ".")

function fail(what) {
  throw new Error(`${what} has no TypeScript here`)
}

/** Returns the text of src/catalogue.ts. */
export function generate() {
  const files = readdirSync(schemas).filter(name => name.endsWith(".json"))
  const entries = files.sort().map(file => {
    const schema = JSON.parse(readFileSync(new URL(file, schemas), "utf8"))
    const type = file.replace("-", ":").replace(".json", "")
    return `  /** ${sentence(schema.description)} */\n  "${type}": ${typeOf(schema, "  ")}`
  })
  return `// Made from events/schema by "npm run types".

/** What an event tells, by its type. Own types of the server's rules are added by declaration merging. */
export interface EventMap {
${entries.join("\n")}
}
`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(target, generate())
