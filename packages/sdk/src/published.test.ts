import { execFile, execFileSync } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { delimiter, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openServerWorld, type ServerWorld } from './testing/server-world.ts'

const run = promisify(execFile)
const PACKAGE = resolve(import.meta.dirname, '..')
const TSC = resolve(PACKAGE, '../../node_modules/.bin/tsc')

/** A program as a user writes it, against the package as it is published. */
const PROGRAM = `
import { Spawnpoint, CommandError } from 'spawnpoint'

const client: Spawnpoint = new Spawnpoint()
const sandbox = await client.sandboxes.create({ image: 'base', resources: { cpus: 0.5 } })
try {
  const result = await sandbox.run('echo hi; exit 2')
  const code: number = result.exitCode
  await sandbox.run('exit 9', { check: true }).catch((error: unknown) => {
    if (!(error instanceof CommandError)) throw error
  })
  await sandbox.files.write('note', 'text')
  const terminal = await sandbox.processes.start(['terminal-size'], { pty: { cols: 90, rows: 20 } })
  let shown = ''
  for await (const piece of terminal) {
    if (piece.type === 'data') shown += new TextDecoder().decode(piece.data)
    if (shown.includes('90x20') && !shown.includes('91x21')) await terminal.resize({ cols: 91, rows: 21 })
    if (shown.includes('91x21')) await terminal.kill('SIGKILL')
  }
  const shell = await sandbox.processes.start(['cat'], { pty: { cols: 90, rows: 20 } })
  await shell.write('typed\\n')
  for await (const piece of shell) if (piece.type === 'data' && new TextDecoder().decode(piece.data).includes('typed')) break
  const snapshot = await sandbox.snapshot({ name: 'published' })
  const [copy] = await snapshot.spawn({ count: 1 })
  const names: string[] = []
  for await (const one of client.sandboxes.list()) names.push(one.id)
  const kept = await copy?.files.readText('note')
  await copy?.[Symbol.asyncDispose]()
  console.log(JSON.stringify({ code, stdout: result.stdout, kept, count: names.length, webSocket: typeof WebSocket }))
} finally {
  await sandbox.kill()
}
`

let world: ServerWorld
let directory: string

beforeAll(async () => {
  world = await openServerWorld()
  directory = await mkdtemp(join(process.env.TMPDIR ?? '/tmp', 'spawnpoint-sdk-'))
  const installed = join(directory, 'node_modules/spawnpoint')
  await mkdir(installed, { recursive: true })
  await copyFile(join(PACKAGE, 'package.json'), join(installed, 'package.json'))
  await run(TSC, ['-p', join(PACKAGE, 'tsconfig.build.json'), '--outDir', join(installed, 'dist')])
  await writeFile(join(directory, 'package.json'), '{"type":"module"}')
  await writeFile(join(directory, 'program.ts'), PROGRAM)
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

test('its types hold in a strict project', async () => {
  const types = resolve(PACKAGE, '../../node_modules/@types')
  const strict = ['--strict', '--target', 'ES2022', '--lib', 'ES2023,ESNext.Disposable', '--module', 'NodeNext']
  const where = ['--types', 'node', '--typeRoots', types, '--noEmit', join(directory, 'program.ts')]
  await run(TSC, [...strict, ...where], { cwd: directory })
})

test('a program runs on the oldest Node there is', async () => {
  const program = join(directory, 'program.mjs')
  await writeFile(program, stripTypeScriptTypes(PROGRAM))
  const { stdout } = await run(oldestNode(), [program], {
    env: { SPAWNPOINT_URL: world.url, SPAWNPOINT_API_KEY: world.key },
  })
  expect(JSON.parse(stdout)).toMatchObject({ code: 2, stdout: 'hi\n', kept: 'text', count: 2 })
})

/** Node 20 where the machine has it; the package promises it. */
function oldestNode(): string {
  const found = (process.env.PATH ?? '')
    .split(delimiter)
    .concat('/usr/bin', '/usr/local/bin')
    .flatMap((dir) => {
      try {
        const path = join(dir, 'node')
        return [
          {
            path,
            major: Number(execFileSync(path, ['-p', 'process.versions.node.split(".")[0]'], { encoding: 'utf8' })),
          },
        ]
      } catch {
        return [] // None there, or one that does not run.
      }
    })
    .filter(({ major }) => major >= 20)
  return found.toSorted((a, b) => a.major - b.major)[0]?.path ?? process.execPath
}
