import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { SpawnpointError } from '@spawnpoint/core'
import { afterEach, expect, it } from 'vitest'
import { LANGUAGES } from './languages.ts'
import { bringKernel } from './own-kernels.ts'
import { FakeJupyter } from './testing/fake-jupyter.ts'

const VALUE = `it's "$HOME" \\ größe\n🎉`
const ENV = { MARK: 'me', OWN: VALUE, 'no.name': 'x' }

function sh(code: string): string {
  return execFileSync('bash', ['-c', `${code}\nprintf '%s|' "$MARK" "$OWN" "\${GONE-none}"`], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH ?? '', GONE: 'there' },
  })
}

it('a shell is told variables, and has them back as they were', () => {
  const bash = LANGUAGES.get('bash')
  expect(sh(bash?.adopt('MARK', ENV) ?? '')).toBe(`me|${VALUE}|there|`)
  expect(sh(`MARK=me OWN=kept; ${bash?.adopt('MARK', ENV)}`)).toBe('me|kept|there|')
  expect(sh(`${bash?.set({ OWN: 'x', GONE: 'y' })}; ${bash?.reset(['OWN', 'GONE', 'no.name'], ENV)}`)).toBe(
    `|${VALUE}|none|`,
  )
  expect(sh(bash?.reset(['GONE'], {}) ?? '')).toBe('||none|')
})

it('so is JavaScript', () => {
  const javascript = LANGUAGES.get('javascript')
  const run = (code: string) =>
    JSON.parse(
      execFileSync(process.execPath, ['-e', `${code}; console.log(JSON.stringify(process.env))`], {
        encoding: 'utf8',
        env: { GONE: 'there' },
      }),
    )
  expect(run(javascript?.adopt('MARK', ENV) ?? '')).toMatchObject({ ...ENV, GONE: 'there' })
  const reset = `${javascript?.set({ OWN: 'x', GONE: 'y' })}; ${javascript?.reset(['OWN', 'GONE'], ENV)}`
  const after = run(reset)
  expect([after.OWN, after.GONE]).toEqual([VALUE, undefined])
})

it('a kernel that the image has not is brought, if what it runs on is there', async () => {
  const jupyter = new FakeJupyter()
  await expect(bringKernel(jupyter.inside, 'javascript')).rejects.toMatchObject({ status: 400 })
  expect(jupyter.written).toEqual([])
  await bringKernel(jupyter.inside, 'bash')
  expect(jupyter.written.at(-1)).toBe('/usr/local/share/jupyter/kernels/bash/kernel.json')
  jupyter.directories.add('/usr/bin/node')
  await bringKernel(jupyter.inside, 'typescript')
  expect(jupyter.written).toContain('/usr/local/lib/spawnpoint-kernels/amaro/index.js')
  jupyter.close()
})

it('a sandbox that does not answer is not taken for one that lacks something', async () => {
  const silent = new SpawnpointError('guest_unresponsive', 'silent', { sandboxId: 'x' })
  const { inside } = new FakeJupyter()
  const files = { ...inside.files, stat: () => Promise.reject(silent) }
  await expect(bringKernel({ ...inside, files }, 'javascript')).rejects.toBe(silent)
})

/** `rewrite.cjs` as it is where it is brought to, beside the packages that it needs. */
const { rewrite } = loaded()

function loaded(): { rewrite(code: string, isTypeScript: boolean): { text: string; names: string[] } } {
  const from = createRequire(import.meta.url)
  const acorn = join(dirname(from.resolve('acorn')), 'acorn.js')
  const module = { exports: {} as { rewrite: ReturnType<typeof loaded>['rewrite'] } }
  const text = from('node:fs').readFileSync(join(import.meta.dirname, 'kernels/rewrite.cjs'), 'utf8')
  const near = (name: string) => from(name === './acorn.js' ? acorn : name === './amaro/index.js' ? 'amaro' : name)
  new Function('require', 'module', text)(near, module)
  return module.exports
}

const given = new Set<string>()
afterEach(() => {
  for (const name of given) Reflect.deleteProperty(globalThis, name)
  given.clear()
})

const run = async (code: string, isTypeScript = false) => {
  const { text, names } = rewrite(code, isTypeScript)
  for (const name of names) {
    given.add(name)
    Reflect.set(globalThis, name, undefined)
  }
  return new Function(`return ${text}`)()
}

it.each([
  ['const x1 = 40; x1 + 2', 42],
  ['let { a1, b1: [c1 = 5, ...d1] } = { a1: 1, b1: [undefined, 2] }; [a1, c1, d1]', [1, 5, [2]]],
  ['function f1() { return g1() }\nfunction g1() { return 7 }\nclass K1 { v = 1 }\nf1() + new K1().v', 8],
  ['await Promise.resolve(3) // and a comment', 3],
  ['Promise.resolve({ a: 1 })', { a: 1 }],
  ['export const z1 = 3; z1', 3],
  ['for (let i = 0; i < 3; i++) {}', undefined],
  ['"use strict"', 'use strict'],
  ['let nothing1', undefined],
  ['', undefined],
])('of JavaScript %j comes %j', async (code, value) => {
  expect(await run(code)).toEqual(value)
})

it('what is imported is there for what comes later', () => {
  const { names } = rewrite('import d, { sep as s, join } from "node:path"; import * as os from "node:os"', false)
  expect(names).toEqual(['d', 's', 'join', 'os'])
})

it('of TypeScript the types go, and what is more than types becomes JavaScript', async () => {
  expect(await run('interface A { a: string }\nconst t1: A = { a: "q" }; t1.a as unknown', true)).toBe('q')
  expect(await run('enum E1 { One, Two }\nE1.Two', true)).toBe(1)
  expect(() => rewrite('let bad: = 3', true)).toThrow(SyntaxError)
  expect(() => rewrite('let let let', false)).toThrow(SyntaxError)
})
