import { readFileSync } from "node:fs"
import ts from "typescript"
import { expect, test } from "vitest"

const root = new URL("..", import.meta.url).pathname

test("the examples of README.md are right as far as types go", () => {
  const examples = [...readFileSync(`${root}README.md`, "utf8").matchAll(/^```(tsx?)\n([^]*?)^```$/gm)].map(([, kind, code], i) => ({
    path: `${root}test/example${i}.${kind}`,
    code: /^(import|export) /m.test(code!) ? code! : `export {}\n${code}`,
  }))
  expect(examples.length).toBeGreaterThan(3)
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    jsx: ts.JsxEmit.ReactJSX,
    strict: true,
    skipLibCheck: true,
    noEmit: true,
    types: [],
    paths: { "@concord/client": [`${root}src/index.ts`], "@concord/client/*": [`${root}src/*.ts`] },
  }
  const host = ts.createCompilerHost(options)
  const { readFile, fileExists } = host
  const given = (path: string) => examples.find(example => example.path === path)?.code
  host.readFile = path => given(path) ?? readFile(path)
  host.fileExists = path => given(path) !== undefined || fileExists(path)
  const { getSourceFile } = host
  host.getSourceFile = (path, ...rest) => {
    const code = given(path)
    return code === undefined ? getSourceFile(path, ...rest) : ts.createSourceFile(path, code, ts.ScriptTarget.ES2022)
  }
  const program = ts.createProgram(examples.map(example => example.path), options, host)
  const problems = ts.getPreEmitDiagnostics(program).map(problem => ts.flattenDiagnosticMessageText(problem.messageText, "\n"))
  expect(problems).toEqual([])
})
