import { Repo, type StorageId } from "@automerge/automerge-repo"
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { countUnsaved, remember } from "../src/durable.js"

const server = "server" as StorageId
const values = new Map<string, string>()

beforeEach(() => {
  values.clear()
  vi.stubGlobal("document", {})
  vi.stubGlobal("localStorage", { getItem: (key: string) => values.get(key) ?? null, setItem: (key: string, value: string) => values.set(key, value) })
})

afterEach(() => vi.unstubAllGlobals())

/** A document with as many changes as are asked for. */
function made(changes: number) {
  const handle = new Repo().create<{ n: number }>({ n: 0 })
  const edit = () => handle.change(doc => void doc.n++)
  const tells = (heads = handle.heads()) => {
    handle.setSyncInfo(server, { lastHeads: heads, lastSyncTimestamp: 0 })
    remember(handle, server)
  }
  for (let i = 1; i < changes; i++) edit()
  return { handle, edit, tells, unsaved: (id?: StorageId) => countUnsaved(handle, id) }
}

test("what the server hasn't told to have is unsaved", () => {
  const { edit, tells, unsaved } = made(3)
  expect(unsaved(server)).toBe(3)
  expect(unsaved()).toBe(3)
  tells()
  expect(unsaved(server)).toBe(0)
  edit()
  edit()
  expect(unsaved(server)).toBe(2)
  tells()
  expect(unsaved(server)).toBe(0)
})

test("a page that is opened without a connection knows what was told before", () => {
  const { handle, edit, tells, unsaved } = made(3)
  tells()
  edit()
  expect(values.size).toBe(1)
  expect(unsaved()).toBe(1)
  expect(handle.heads()).toHaveLength(1)
})

test("heads that haven't come here yet don't make saved changes unsaved", () => {
  const { edit, tells, unsaved } = made(3)
  tells()
  edit()
  tells(new Repo().create().heads())
  expect(unsaved(server)).toBe(1)
})

test("a server that was set back has less", () => {
  const { handle, edit, tells, unsaved } = made(1)
  const before = handle.heads()
  edit()
  edit()
  tells()
  tells(before)
  expect(unsaved(server)).toBe(2)
})

test("a page that may keep nothing counts all the same", () => {
  vi.stubGlobal("localStorage", undefined)
  const { edit, tells, unsaved } = made(2)
  tells()
  edit()
  expect(unsaved(server)).toBe(1)
})
