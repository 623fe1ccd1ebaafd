import { readFileSync } from "node:fs"
import { expect, test } from "vitest"
// @ts-expect-error: a script without types
import { generate, target } from "../scripts/types.mjs"

test("the types of events are those of the server's schemas", () => {
  expect(readFileSync(target, "utf8"), 'run "npm run types"').toBe(generate())
})
