// A document in the hands of a program that has Automerge and no repo: it loads files, and speaks the sync protocol by
// whatever way the test carries the messages.

import { codec } from "./values.mjs"
import { editor } from "./edit.mjs"

const base64 = bytes => Buffer.from(bytes).toString("base64")
const bytes = text => new Uint8Array(Buffer.from(text, "base64"))

/** Builds a device class from one generation's packages. */
export function deviceClass({ A }) {
  const { fromTagged, toTagged } = codec(A)
  const apply = editor(A, fromTagged)

  return class Device {
    #doc = A.init()
    #state = A.initSyncState()

    load({ file }) {
      this.#doc = A.load(bytes(file))
      return {}
    }

    change({ edits }) {
      this.#doc = A.change(this.#doc, d => edits.forEach(e => apply(d, e)))
      return {}
    }

    /** Begins an exchange: of an earlier one it knows what a program keeps in a file. */
    begin() {
      this.#state = A.decodeSyncState(A.encodeSyncState(this.#state))
      return {}
    }

    /** The next message for the other side; none when there is nothing to say. */
    generate() {
      const [state, message] = A.generateSyncMessage(this.#doc, this.#state)
      this.#state = state
      return message ? { message: base64(message) } : {}
    }

    receive({ message }) {
      ;[this.#doc, this.#state] = A.receiveSyncMessage(this.#doc, this.#state, bytes(message))
      return {}
    }

    get() {
      return { value: toTagged(A.load(A.save(this.#doc))) }
    }

    heads() {
      return { heads: A.getHeads(this.#doc).sort() }
    }

    close() {
      return {}
    }
  }
}
