// Edits by description: each is an object {op, path, …} applied inside one change callback.
//
//   set {path, value}                     delete {path}
//   insert {path, index, values}          remove {path, index, count}          (lists)
//   splice {path, index, count, text}     updateText {path, text}              (text)
//   mark {path, start, end, name, value, expand}    unmark {path, start, end, name, expand}
//   increment {path, by}
//
// With "wrap": true, positions are taken modulo what is there, so that a random edit fits whatever the document holds;
// in text they are moved off the middle of surrogate pairs, and marks are never empty. (An empty mark by a first
// generation client makes a document that the second can't load.)

/** The nearest position at or before i, within the text, that is between two characters. */
function boundary(text, i) {
  if (i >= text.length) return text.length
  const unit = text.charCodeAt(i)
  return unit >= 0xdc00 && unit < 0xe000 && i > 0 ? i - 1 : i
}

/** Returns a function that applies one described edit to a document inside a change callback. */
export function editor(A, fromTagged) {
  const at = (doc, path) => path.reduce((o, key) => o?.[key], doc)

  function parent(doc, path) {
    const target = at(doc, path.slice(0, -1))
    if (target === undefined) throw new Error(`nothing at ${JSON.stringify(path.slice(0, -1))}`)
    return [target, path[path.length - 1]]
  }

  const edits = {
    set(doc, e) {
      const [target, key] = parent(doc, e.path)
      target[key] = fromTagged(e.value)
    },
    delete(doc, e) {
      const [target, key] = parent(doc, e.path)
      delete target[key]
    },
    insert(doc, e) {
      const list = at(doc, e.path)
      const index = e.wrap ? e.index % (list.length + 1) : e.index
      A.insertAt(list, index, ...e.values.map(fromTagged))
    },
    remove(doc, e) {
      const list = at(doc, e.path)
      if (e.wrap && list.length === 0) return
      const index = e.wrap ? e.index % list.length : e.index
      A.deleteAt(list, index, Math.min(e.count ?? 1, list.length - index))
    },
    splice(doc, e) {
      const text = at(doc, e.path)
      const index = e.wrap ? boundary(text, e.index % (text.length + 1)) : e.index
      const count = e.wrap ? boundary(text, index + (e.count ?? 0)) - index : (e.count ?? 0)
      A.splice(doc, e.path, index, count, e.text ?? "")
    },
    updateText(doc, e) {
      A.updateText(doc, e.path, e.text)
    },
    mark(doc, e) {
      const range = markRange(doc, e)
      if (range) A.mark(doc, e.path, range, e.name, fromTagged(e.value))
    },
    unmark(doc, e) {
      const range = markRange(doc, e)
      if (range) A.unmark(doc, e.path, range, e.name)
    },
    increment(doc, e) {
      const [target, key] = parent(doc, e.path)
      target[key].increment(e.by)
    },
  }

  function markRange(doc, e) {
    const expand = e.expand ?? "after"
    if (!e.wrap) return { start: e.start, end: e.end, expand }
    const text = at(doc, e.path)
    if (text.length === 0) return undefined
    const start = boundary(text, e.start % text.length)
    return { start, end: boundary(text, start + 2 + (e.end % text.length)), expand }
  }

  return function apply(doc, e) {
    const edit = edits[e.op]
    if (!edit) throw new Error(`unknown edit ${JSON.stringify(e.op)}`)
    edit(doc, e)
  }
}
