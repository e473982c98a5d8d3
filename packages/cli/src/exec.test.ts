import { chmod, lstat, mkdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Sandbox } from 'spawnpoint'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CliWorld, openCliWorld } from './testing/cli-world.ts'

let world: CliWorld
let directory: string
let box: Sandbox

beforeAll(async () => {
  world = await openCliWorld()
  ;({ directory, box } = world)
})
afterAll(() => world[Symbol.asyncDispose]())

const start = (...args: string[]) => world.start(...args)
const cli = (...args: string[]) => world.cli(...args)
const out = (...args: string[]) => world.out(...args)

describe('exec', () => {
  test('keeps output and errors apart and ends with the status of the program', async () => {
    expect(await cli('sandbox', 'exec', 'box', 'exit', '42', 'to out', 'to err')).toEqual({
      status: 42,
      stdout: 'to out',
      stderr: 'to err',
    })
    // Options after the program are its own, ours come before it.
    expect(await out('sandbox', 'exec', '-e', 'A=1', '-w', '/tmp', 'box', 'echo', '--json', '-n')).toBe('--json -n\n')
    expect(await out('sandbox', 'exec', 'box', '--', 'sh', '-c', 'echo $0; pwd')).toContain('/')
    expect(await cli('sandbox', 'exec', 'box', 'no-such-program')).toEqual({
      status: 127,
      stdout: '',
      stderr: 'spawnpoint: no-such-program: no such program in the sandbox\n',
    })
  })

  test('passes input on to its end', async () => {
    const input = 'line\n'.repeat(50_000)
    const { status, stdout } = await start('sandbox', 'exec', 'box', 'cat').finish(input)
    expect(status).toBe(0)
    expect(stdout === input).toBe(true)
  })

  test('passes signals on', async () => {
    const running = start('sandbox', 'exec', '-n', 'box', 'trap', 'SIGTERM')
    await running.printed('ready')
    running.child.kill('SIGTERM')
    await running.printed('got SIGTERM')
    running.child.kill('SIGINT')
    expect((await running.finished).status).toBe(130)
  })

  test('exec says when the time was over', async () => {
    const { status, stderr } = await cli('sandbox', 'exec', '-n', '--timeout', '1s', 'box', 'trap', 'SIGUSR1')
    expect({ status, stderr }).toEqual({ status: 137, stderr: 'spawnpoint: killed, its --timeout was over\n' })
  })

  test.each([
    ['now and then', ['counter']],
    ['all the time', ['spam', '1000000000', '1']],
  ])('ends quietly, and ends the program that prints %s, when nobody reads any more', async (_, command) => {
    const running = start('sandbox', 'exec', '-n', 'box', ...command)
    await running.printed(/./)
    running.child.stdout.destroy()
    expect(await running.finished).toMatchObject({ status: 141, stderr: '' })
    const ours = (await box.processes.list()).filter(({ args }) => args[0] === command[0])
    expect(ours).toHaveLength(1)
    for (const { id } of ours) expect(await (await box.processes.get(id)).wait()).toMatchObject({ signal: 'SIGPIPE' })
  })

  test('lives through a restart of the server', async () => {
    const running = start('sandbox', 'exec', '-n', 'box', 'counter')
    await running.printed('3\n')
    await world.server.restart()
    await running.printed('12\n')
    running.child.kill('SIGTERM')
    const { status, stdout } = await running.finished
    expect(status).toBe(143)
    const numbers = stdout.trim().split('\n').map(Number)
    expect(numbers).toEqual(numbers.map((_, i) => i + 1))
  })

  test('says that it is the directory which is not there', async () => {
    expect(await cli('sandbox', 'exec', '-w', '/no/such', 'box', 'echo', 'x')).toEqual({
      status: 126,
      stdout: '',
      stderr: 'spawnpoint: /no/such: no such directory in the sandbox\n',
    })
  })

  test('detached, it leaves an id; ps and logs show it', async () => {
    const id = (await out('sandbox', 'exec', '-d', 'box', 'counter')).trim()
    expect(await out('sandbox', 'ps', 'box')).toMatch(new RegExp(`^${id} .* running .* counter$`, 'm'))
    const following = start('sandbox', 'logs', '-f', 'box', id)
    await following.printed(/^1\n2\n3\n/)
    expect(await out('sandbox', 'logs', 'box', id)).toMatch(/^1\n2\n3\n/)
    const quiet = (await out('sandbox', 'exec', '-d', 'box', 'sleep', '1000')).trim()
    expect(await cli('sandbox', 'logs', 'box', quiet)).toEqual({ status: 0, stdout: '', stderr: '' })
    expect(await out('sandbox', 'signal', 'box', quiet, 'KILL')).toBe(`${quiet}\n`)
    expect(await out('sandbox', 'logs', 'box', id, '--since-offset', '2')).toMatch(/^2\n3\n/)
    expect(await out('sandbox', 'signal', 'box', id, 'kill')).toBe(`${id}\n`)
    expect((await following.finished).status).toBe(0)
    const [line] = (await out('sandbox', 'logs', 'box', id, '--json')).split('\n')
    expect(JSON.parse(line ?? '')).toMatchObject({ type: 'data', stream: 'stdout', offset: 0, encoding: 'utf8' })
  })

  test('for programs: one piece of JSON per line, the end last', async () => {
    const { stdout, status } = await cli('sandbox', 'exec', '--json', 'box', 'exit', '3', 'o', 'e')
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(status).toBe(3)
    expect(lines.slice(0, -1)).toEqual([
      { type: 'data', stream: 'stdout', offset: 0, data: 'o', encoding: 'utf8' },
      { type: 'data', stream: 'stderr', offset: 0, data: 'e', encoding: 'utf8' },
    ])
    expect(lines.at(-1)).toMatchObject({ type: 'exit', exit: { code: 3 } })
  })
})

describe('cp', () => {
  test('files, both ways, and through stdin and stdout', async () => {
    const here = join(directory, 'file.bin')
    const bytes = Buffer.from(Array.from({ length: 500_000 }, (_, i) => i % 256))
    await writeFile(here, bytes)
    await chmod(here, 0o751)
    await out('sandbox', 'cp', here, 'box:/tmp/files/')
    expect(await box.files.stat('/tmp/files/file.bin')).toMatchObject({ sizeBytes: 500_000, mode: 0o751 })
    await out('sandbox', 'cp', here, 'box:/tmp/files')
    expect(await box.files.list('/tmp/files')).toHaveLength(1)
    await out('sandbox', 'cp', 'box:/tmp/files/file.bin', join(directory, 'back.bin'))
    expect((await readFile(join(directory, 'back.bin'))).equals(bytes)).toBe(true)
    expect((await stat(join(directory, 'back.bin'))).mode & 0o777).toBe(0o751)
    await start('sandbox', 'cp', '-', 'box:/tmp/piped').finish('through a pipe')
    expect(await out('sandbox', 'cp', 'box:/tmp/piped', '-')).toBe('through a pipe')
  })

  test('directories with everything in them', async () => {
    const tree = join(directory, 'tree')
    await mkdir(join(tree, 'sub/empty'), { recursive: true })
    for (let i = 0; i < 20; i += 1) await writeFile(join(tree, `sub/f${i}`), `content ${i}`)
    await writeFile(join(tree, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 })
    await out('sandbox', 'cp', tree, 'box:/tmp/tree')
    expect(await box.files.readText('/tmp/tree/sub/f7')).toBe('content 7')
    expect(await box.files.stat('/tmp/tree/run.sh')).toMatchObject({ mode: 0o755 })
    // The target is there now: the copy goes into it.
    await out('sandbox', 'cp', tree, 'box:/tmp/tree')
    expect(await box.files.exists('/tmp/tree/tree/run.sh')).toBe(true)
    await box.files.remove('/tmp/tree/tree', { recursive: true })
    await out('sandbox', 'cp', `${tree}/sub/.`, 'box:/tmp/only')
    expect(await box.files.list('/tmp/only')).toHaveLength(21)

    const back = join(directory, 'back')
    await out('sandbox', 'cp', 'box:/tmp/tree', back)
    expect(await readFile(join(back, 'sub/f19'), 'utf8')).toBe('content 19')
    expect((await stat(join(back, 'sub/empty'))).isDirectory()).toBe(true)
    expect((await stat(join(back, 'run.sh'))).mode & 0o777).toBe(0o755)
  })

  test('nothing is written through a link', async () => {
    const target = join(directory, 'linked')
    const victim = join(directory, 'victim')
    await mkdir(target)
    await writeFile(victim, 'untouched')
    await symlink(victim, join(target, 'f'))
    await box.files.write('/tmp/evil/f', 'evil')
    await out('sandbox', 'cp', 'box:/tmp/evil/.', target)
    expect(await readFile(victim, 'utf8')).toBe('untouched')
    expect(await readFile(join(target, 'f'), 'utf8')).toBe('evil')
    await rm(join(target, 'f'))
    await mkdir(join(directory, 'elsewhere'))
    await symlink(join(directory, 'elsewhere'), join(target, 'd'))
    await box.files.write('/tmp/evil/d/f', 'evil')
    expect((await cli('sandbox', 'cp', 'box:/tmp/evil/.', target)).stderr).toContain('is in the way')
    expect((await lstat(join(target, 'd'))).isSymbolicLink()).toBe(true)
    expect(await readlink(join(target, 'd'))).toBe(join(directory, 'elsewhere'))
  })

  test('says what is wrong', async () => {
    expect((await cli('sandbox', 'cp', 'a', 'b')).status).toBe(2)
    expect((await cli('sandbox', 'cp', 'box:/a', 'box:/b')).status).toBe(2)
    expect((await cli('sandbox', 'cp', 'box:', 'b')).stderr).toContain('names no path')
    expect((await cli('sandbox', 'cp', join(directory, 'none'), 'box:/tmp')).stderr).toContain('no such file')
    expect((await cli('sandbox', 'cp', 'box:/none', directory)).status).toBe(1)
    expect((await cli('sandbox', 'cp', 'box:/tmp/piped', join(directory, 'no/dir/f'))).stderr).toContain(
      'no such directory',
    )
  })
})
