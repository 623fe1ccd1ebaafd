import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { Blocked, Ended, Link, type Transport } from "../src/link.js"

/** A link whose attempts do what the test says, under a clock of the test's. */
class Harness {
  readonly link: Link
  /** When attempts began, in milliseconds. */
  readonly attempts: number[] = []
  readonly renewals: boolean[] = []
  /** What the next attempts do; the last one goes on doing it. */
  outcomes: Transport[] = [() => Promise.reject(new Ended(0, "down"))]

  constructor() {
    const began = Date.now()
    const attempt: Transport = signal => {
      this.attempts.push(Date.now() - began)
      return (this.outcomes.length > 1 ? this.outcomes.shift()! : this.outcomes[0]!)(signal)
    }
    this.link = new Link({ url: "http://test", token: renew => (this.renewals.push(renew), "t") }, () => [attempt])
    this.link.start()
  }
}

const ends = (code: number, after?: number) => () => Promise.reject(new Ended(code, "words", after))
let listeners: Map<string, () => void>

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, "random").mockReturnValue(1)
  listeners = new Map()
  const addEventListener = (name: string, listener: () => void) => listeners.set(name, listener)
  vi.stubGlobal("addEventListener", addEventListener)
  vi.stubGlobal("document", { addEventListener, visibilityState: "visible" })
})

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

test("the backoff doubles up to its limit, with full jitter", async () => {
  const h = new Harness()
  await vi.advanceTimersByTimeAsync(100_000)
  expect(h.attempts).toEqual([0, 500, 1500, 3500, 7500, 15500, 31500, 61500, 91500])
  vi.mocked(Math.random).mockReturnValue(0.25)
  await vi.advanceTimersByTimeAsync(100_000)
  expect(h.attempts.slice(9, 12)).toEqual([121500, 129000, 136500])
  h.link.stop()
})

test.each(["online", "focus", "visibilitychange"])("%s: an attempt at once, and a backoff from its beginning", async name => {
  const h = new Harness()
  await vi.advanceTimersByTimeAsync(20_000)
  const before = h.attempts.length
  listeners.get(name)!()
  await vi.advanceTimersByTimeAsync(500)
  expect(h.attempts.slice(before)).toEqual([20_000, 20_500])
  h.link.stop()
})

test("a hidden tab stays calm", async () => {
  const h = new Harness()
  await vi.advanceTimersByTimeAsync(20_000)
  const before = h.attempts.length
  vi.stubGlobal("document", { visibilityState: "hidden" })
  listeners.get("visibilitychange")!()
  await vi.advanceTimersByTimeAsync(500)
  expect(h.attempts).toHaveLength(before)
  h.link.stop()
})

test.each([4400, 4403, 4408, 4409, 4413, 4429])("%d stops, until a person is there", async code => {
  const h = new Harness()
  h.outcomes = [ends(code)]
  await vi.advanceTimersByTimeAsync(600_000)
  expect(h.attempts).toEqual([0])
  expect(h.link.status).toEqual({ state: "stopped", code, reason: "words" })
  listeners.get("focus")!()
  await vi.advanceTimersByTimeAsync(600_000)
  expect(h.attempts).toEqual([0, 600_000])
  h.link.stop()
})

test("4401 asks for one new token, then stops", async () => {
  const h = new Harness()
  h.outcomes = [ends(4401)]
  await vi.advanceTimersByTimeAsync(600_000)
  expect(h.renewals).toEqual([false, true])
  expect(h.link.status.state).toBe("stopped")
  h.link.stop()
})

test("4401 after the connection has worked asks for one new token each time", async () => {
  const h = new Harness()
  h.outcomes = [() => (h.link.online("websocket"), ends(4401)())]
  await vi.advanceTimersByTimeAsync(3_500)
  expect(h.renewals).toEqual([false, true, true, true])
  h.link.stop()
})

test.each([1000, 1012, 1013, 0])("%d comes back", async code => {
  const h = new Harness()
  h.outcomes = [ends(code)]
  await vi.advanceTimersByTimeAsync(500)
  expect(h.attempts).toEqual([0, 500])
  expect(h.link.status).toEqual({ state: "offline", code: code || undefined, reason: "words" })
  h.link.stop()
})

test("a wait that the server asks for is kept", async () => {
  const h = new Harness()
  h.outcomes = [ends(0, 7_000)]
  await vi.advanceTimersByTimeAsync(7_000)
  expect(h.attempts).toEqual([0, 7_000])
  h.link.stop()
})

test("a connection that has lasted begins the backoff anew", async () => {
  const h = new Harness()
  const lasts = async () => {
    h.link.online("websocket")
    await new Promise(resolve => setTimeout(resolve, 6_000))
    throw new Ended(1012, "restart")
  }
  h.outcomes = [ends(0), ends(0), ends(0), lasts, ends(0)]
  await vi.advanceTimersByTimeAsync(10_000)
  expect(h.attempts).toEqual([0, 500, 1500, 3500, 10_000])
  h.link.stop()
})

test("what is blocked gives way to the next, which gives way after a while to another try", async () => {
  const tries: string[] = []
  const signals: AbortSignal[] = []
  const blocked: Transport = () => (tries.push("better"), Promise.reject(new Blocked()))
  const works: Transport = signal => {
    tries.push("worse")
    signals.push(signal)
    link.online("sse")
    return new Promise(resolve => signal.addEventListener("abort", () => resolve()))
  }
  const link: Link = new Link({ url: "http://test", token: () => "t" }, () => [blocked, works])
  const states: string[] = []
  link.onStatus(status => states.push(status.state))
  link.start()
  await vi.advanceTimersByTimeAsync(299_000)
  expect(tries).toEqual(["better", "worse"])
  await vi.advanceTimersByTimeAsync(2_000)
  expect(tries).toEqual(["better", "worse", "better", "worse"])
  expect(states).toEqual(["connecting", "online", "online"])
  link.stop()
  expect(signals.every(signal => signal.aborted)).toBe(true)
  expect(link.status).toEqual({ state: "offline" })
})
