// Ties the ledger's oracle to what clients show: what it takes for visible must be what automerge-js
// says, at the heads and after every episode in the past.
import { compareIDs, episodesOf, visible } from "./ledger.mjs"

const idOf = ([type, value, id]) => ["map", "list", "text", "table"].includes(type) ? value : id

// allAt returns the ids of all values that the document has at a place, ascending; undefined for an
// element that doesn't show. elements caches those of lists.
function allAt(doc, place, heads, elements) {
  if (place.elem === null) return doc.getAll(place.obj, place.key, heads).map(idOf).sort(compareIDs)
  if (!elements.has(place.obj)) {
    const n = doc.length(place.obj, heads)
    const shown = Array.from({ length: n }, (_, i) => doc.getAll(place.obj, i, heads).map(idOf).sort(compareIDs))
    elements.set(place.obj, new Map(shown.flatMap(ids => ids.map(id => [id, ids]))))
  }
  return elements.get(place.obj)
}

function compare(doc, place, writes, heads, elements) {
  const ours = visible(writes).map(w => w.id)
  let theirs = allAt(doc, place, heads, elements)
  if (place.elem !== null) theirs = writes.map(w => theirs.get(w.id)).find(ids => ids) ?? []
  if (String(ours) !== String(theirs)) {
    throw new Error(`${place.obj} ${place.at} at ${heads ?? "the end"}: automerge-js shows ${theirs}, the oracle ${ours}`)
  }
}

// compareShown compares all places and returns how often it looked.
export function compareShown(h, doc) {
  const elements = new Map()
  let looks = 0
  for (const writes of h.places()) {
    compare(doc, writes[0], writes, undefined, elements)
    looks++
    const episodes = episodesOf(h, writes)
    for (let i = 0; i < episodes.length - 1; i++) {
      const changes = new Set(episodes[i].map(w => w.change))
      if (episodes[i + 1].some(w => changes.has(w.change))) continue // there are no heads between them
      const heads = [...changes].map(c => h.changes[c].hash)
      compare(doc, writes[0], episodes.slice(0, i + 1).flat().sort((a, b) => compareIDs(a.id, b.id)), heads, new Map())
      looks++
    }
  }
  return looks
}
