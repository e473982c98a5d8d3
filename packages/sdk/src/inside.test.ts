import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GuestError, type Process, Spawnpoint } from './index.ts'
import { openCuttingProxy } from './testing/cutting-proxy.ts'
import { openServerWorld, type ServerWorld } from './testing/server-world.ts'

let world: ServerWorld
let client: Spawnpoint

/** What the fake program `spam` prints: not periodic in any power of two, so that lost and doubled blocks show. */
const spamByte = (index: number) => index % 251
const QUICK = { baseMs: 5, maxMs: 50 }

beforeAll(async () => {
  world = await openServerWorld()
  client = new Spawnpoint({ url: world.url, apiKey: world.key, retry: QUICK })
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
})

describe('processes', () => {
  test('run collects output and exit code', async () => {
    await using sandbox = await client.sandboxes.create({ image: 'base' })
    expect(await sandbox.run('echo hi; echo oh >&2; exit 3')).toEqual({
      exitCode: 3,
      signal: null,
      timedOut: false,
      stdout: 'hi\n',
      stderr: 'oh\n',
      lostBytes: 0,
    })
    const failed = sandbox.run(['exit', '7', '', 'boom'], { check: true })
    await expect(failed).rejects.toMatchObject({
      name: 'CommandError',
      exitCode: 7,
      stderr: 'boom',
      code: 'command_failed',
    })
    expect((await sandbox.run('env; pwd', { cwd: '/tmp', env: { A: '1' } })).stdout).toMatch(/\bA=1\b(.|\n)*\n\/tmp\n$/)
    expect((await sandbox.run(['cat'], { stdin: 'from text' })).stdout).toBe('from text')
    const limited = await sandbox.run(['spam', '100000'], { maxOutputBytes: 10 })
    expect(limited.stdout).toHaveLength(10)
    expect(limited.lostBytes).toBe(99_990)
  })

  test('text is handed over as it comes', async () => {
    await using sandbox = await client.sandboxes.create({ image: 'base' })
    const seen: string[] = []
    await sandbox.run('echo one; sleep 0.05; echo two', { onStdout: (text) => seen.push(text) })
    expect(seen.join('')).toBe('one\ntwo\n')
    expect(seen.length).toBe(2)
  })

  test('input, signals, size of the terminal', async () => {
    await using sandbox = await client.sandboxes.create({ image: 'base' })
    const cat = await sandbox.processes.start(['cat'], { stdin: true })
    const writes = ['a', 'b', 'c'].map((text) => cat.write(text.repeat(1000)))
    await Promise.all(writes)
    await cat.closeStdin()
    expect((await cat.result()).stdout).toBe('a'.repeat(1000) + 'b'.repeat(1000) + 'c'.repeat(1000))

    const sleeper = await sandbox.processes.start(['sleep', '1000'])
    await sleeper.kill()
    expect(await sleeper.wait()).toMatchObject({ code: 143, signal: 'SIGTERM' })

    const limited = await sandbox.run(['sleep', '1000'], { timeoutMs: 30 })
    expect(limited).toMatchObject({ timedOut: true, signal: 'SIGKILL', exitCode: 137 })

    const terminal = await sandbox.processes.start(['terminal-size'], { pty: { cols: 80, rows: 24 } })
    const told = { cols: 100, rows: 30, colsChanged: true } // as xterm.js has it
    let shown = ''
    for await (const piece of terminal) {
      if (piece.type === 'data') shown += Buffer.from(piece.data).toString()
      if (shown.endsWith('80x24\r\n') || shown.endsWith('80x24\n')) await terminal.resize(told)
      if (shown.includes('100x30')) await terminal.kill('SIGKILL')
    }
    expect(shown).toContain('100x30')
    expect(terminal.exit?.signal).toBe('SIGKILL')
  })

  test('a program that cannot be started is an error with its errno', async () => {
    await using sandbox = await client.sandboxes.create({ image: 'base' })
    const refused = sandbox.run(['no-such-program'])
    await expect(refused).rejects.toThrow(GuestError)
    await expect(refused).rejects.toMatchObject({ context: { errno: 'ENOENT' } })
  })

  test('aborting run kills the program', async () => {
    await using sandbox = await client.sandboxes.create({ image: 'base' })
    const reason = new Error('enough')
    const aborter = new AbortController()
    const run = sandbox.run(['counter'], { signal: aborter.signal, onStdout: () => aborter.abort(reason) })
    await expect(run).rejects.toBe(reason)
    const [info] = await sandbox.processes.list()
    const counter = await sandbox.processes.get(info?.id ?? '')
    expect(await counter.wait()).toMatchObject({ signal: 'SIGKILL' })
  })

  test('iterating again goes on where it stopped', async () => {
    await using sandbox = await client.sandboxes.create({ image: 'base' })
    const counter = await sandbox.processes.start(['counter'])
    let text = ''
    for (const enough of [2, 4, 6]) {
      for await (const piece of counter) {
        if (piece.type === 'data') text += Buffer.from(piece.data).toString()
        if (text.split('\n').length > enough) break
      }
    }
    const numbers = text.trim().split('\n').map(Number)
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, i) => i + 1))
  })

  test('a program that has ended can still be read, from any byte', async () => {
    await using sandbox = await client.sandboxes.create({ image: 'base' })
    const { id } = await sandbox.processes.start(['exit', '0', 'abcdef'], { background: true })
    await (await sandbox.processes.get(id)).wait()
    const ended = await sandbox.processes.get(id)
    expect(ended.exit?.code).toBe(0)
    expect((await ended.result()).stdout).toBe('abcdef')
    expect((await (await sandbox.processes.get(id, { from: { stdout: 4 } })).result()).stdout).toBe('ef')
    expect(await Array.fromAsync(ended.kept())).toEqual([])
    expect(await Array.fromAsync((await sandbox.processes.get(id)).kept())).toMatchObject([{ type: 'data', offset: 0 }])
  })

  test('what a program has put out so far is told without waiting for more', async () => {
    await using sandbox = await client.sandboxes.create({ image: 'base' })
    const counter = await sandbox.processes.start(['counter'])
    for await (const piece of counter) if (piece.type === 'data' && piece.offset >= 4) break
    const again = await sandbox.processes.get(counter.id)
    const textOf = async (from: Process) => {
      let text = ''
      for await (const piece of from.kept()) if (piece.type === 'data') text += Buffer.from(piece.data).toString()
      return text
    }
    expect(await textOf(again)).toMatch(/^1\n2\n3\n/)
    expect(await textOf(again)).toMatch(/^1\n2\n3\n/)
    expect(again.exit).toBeNull()
    expect(await textOf(counter)).not.toMatch(/^1\n/)
    await counter.kill('SIGKILL')
  })

  test('no byte is lost or doubled over a connection that keeps breaking', async () => {
    await using sandbox = await client.sandboxes.create({ image: 'base' })
    await using proxy = await openCuttingProxy(world.url, { afterBytes: 200_000 })
    const shaky = new Spawnpoint({ url: proxy.url, apiKey: world.key, retry: QUICK })
    // Less than is kept for readers that come back: of more, what a slow one is behind by would rightly be a gap.
    const total = 1_000_000
    const spam = await (await shaky.sandboxes.get(sandbox.id)).processes.start(['spam', String(total), '30'])
    let at = 0
    for await (const piece of spam) {
      if (piece.type === 'gap') throw new Error(`lost ${piece.offset} to ${piece.resumeAt}`)
      expect(piece.offset).toBe(at)
      for (const byte of piece.data) {
        if (byte !== spamByte(at)) throw new Error(`byte ${at} is ${byte}`)
        at += 1
      }
    }
    expect(at).toBe(total)
    expect(spam.exit?.code).toBe(0)
    expect(proxy.cuts).toBeGreaterThan(3)
  })

  test('a terminal comes back by its offset, too', async () => {
    await using sandbox = await client.sandboxes.create({ image: 'base' })
    await using proxy = await openCuttingProxy(world.url, { afterBytes: 100_000 })
    const shaky = new Spawnpoint({ url: proxy.url, apiKey: world.key, retry: QUICK })
    const there = await shaky.sandboxes.get(sandbox.id)
    const counter = await there.processes.start(['counter'], { pty: { cols: 80, rows: 24 } })
    // Enough for the handshake, the line that it started, and a dozen frames.
    proxy.afterBytes = 600
    let text = ''
    for await (const piece of counter) {
      if (piece.type === 'data') text += Buffer.from(piece.data).toString()
      if (proxy.cuts >= 3) break
    }
    const numbers = text.trim().split(/\r?\n/).map(Number)
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, i) => i + 1))
  })

  test('a server that restarts is no end', async () => {
    await using sandbox = await client.sandboxes.create({ image: 'base' })
    const counter = await sandbox.processes.start(['counter'])
    const waiting = counter.wait()
    let text = ''
    let restarted: Promise<void> | null = null
    let killed: Promise<void> | null = null
    for await (const piece of counter) {
      if (piece.type === 'data') text += Buffer.from(piece.data).toString()
      if (text.split('\n').length > 3) restarted ??= world.restart()
      if (text.split('\n').length > 12) {
        await restarted
        // Once: what it wrote before may still be on its way.
        killed ??= counter.kill('SIGKILL')
        await killed
      }
    }
    const numbers = text.trim().split('\n').map(Number)
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, i) => i + 1))
    expect(await waiting).toMatchObject({ signal: 'SIGKILL' })
  })
})

describe('files', () => {
  test('round trip', async () => {
    await using sandbox = await client.sandboxes.create({ image: 'base' })
    const { files } = sandbox
    const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => i % 253)
    expect(await files.write('/tmp/data/deep/bytes', bytes, { mode: 0o750 })).toMatchObject({
      sizeBytes: 300_000,
      mode: 0o750,
    })
    expect(Buffer.compare(await files.read('/tmp/data/deep/bytes'), bytes)).toBe(0)
    expect([...(await files.read('/tmp/data/deep/bytes', { offset: 5, length: 3 }))]).toEqual([5, 6, 7])
    expect(await files.read('/tmp/data/deep/bytes', { offset: 300_000 })).toHaveLength(0)
    expect(await files.read('/tmp/data/deep/bytes', { length: 0 })).toHaveLength(0)
    const parts: Uint8Array[] = []
    for await (const part of files.readStream('/tmp/data/deep/bytes')) parts.push(part)
    expect(Buffer.compare(Buffer.concat(parts), bytes)).toBe(0)

    await files.write('/tmp/data/log', 'one ')
    await files.write('/tmp/data/log', 'two', { append: true })
    expect(await files.readText('/tmp/data/log')).toBe('one two')
    await expect(files.write('/tmp/data/log', 'x', { exclusive: true })).rejects.toMatchObject({
      context: { errno: 'EEXIST' },
    })

    async function* source() {
      yield Buffer.from('from ')
      yield Buffer.from('a stream')
    }
    await files.write('/tmp/data/streamed', source())
    expect(await files.readText('/tmp/data/streamed')).toBe('from a stream')

    expect((await files.list('/tmp/data')).map(({ name }) => name)).toEqual(['deep', 'log', 'streamed'])
    expect((await files.list('/tmp/data', { depth: 2 })).map(({ path }) => path)).toContain('/tmp/data/deep/bytes')
    expect(await files.list('/tmp/data', { limit: 1 })).toHaveLength(1)
    await files.mkdir('/tmp/data/made', { mode: 0o700 })
    await files.move('/tmp/data/log', '/tmp/data/made/log')
    expect(await files.exists('/tmp/data/log')).toBe(false)
    await files.chmod('/tmp/data/made/log', 0o600)
    expect(await files.stat('/tmp/data/made/log')).toMatchObject({ mode: 0o600, type: 'file' })
    await files.remove('/tmp/data/made', { recursive: true })
    await expect(files.stat('/tmp/data/made')).rejects.toMatchObject({
      code: 'guest_error',
      context: { errno: 'ENOENT' },
    })
  })

  test('watch tells what happens after it is there', async () => {
    await using sandbox = await client.sandboxes.create({ image: 'base' })
    await sandbox.files.mkdir('/tmp/watched')
    const changes = await sandbox.files.watch('/tmp/watched')
    await sandbox.files.write('/tmp/watched/new', 'x')
    for await (const change of changes) {
      if (change.path.endsWith('new')) {
        expect(change.type).toBe('created')
        break
      }
    }
    await expect(sandbox.files.watch('/nowhere')).rejects.toMatchObject({ code: 'guest_error' })
  })
})
