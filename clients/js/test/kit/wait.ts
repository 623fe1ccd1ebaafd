/** Waits until a condition holds. What keeps failing is named. */
export async function eventually<T>(what: string, condition: () => T | Promise<T>, timeout = 20_000): Promise<NonNullable<T>> {
  const deadline = Date.now() + timeout
  for (;;) {
    const value = await condition()
    if (value) return value
    if (Date.now() > deadline) throw new Error(`${what}: not after ${timeout} ms`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}
