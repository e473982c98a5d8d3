import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { type ConfinedCommand, runConfined } from './confined.ts'

let scratch: string
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'spawnpoint-confined-'))
  for (const name of ['in', 'out']) mkdirSync(join(scratch, name))
  writeFileSync(join(scratch, 'in/file'), 'readable')
})
afterEach(() => rmSync(scratch, { recursive: true }))

const run = (script: string, options: Partial<ConfinedCommand> = {}) =>
  runConfined({
    step: 'try it',
    program: 'bash',
    args: ['-c', script],
    readable: [['/in', join(scratch, 'in')]],
    writable: [['/out', join(scratch, 'out')]],
    capabilities: [],
    fileBytes: 2 ** 20,
    timeoutMs: 60_000,
    signal: new AbortController().signal,
    ...options,
  })
const out = (name: string) => readFileSync(join(scratch, 'out', name), 'utf8').trim()

describe('a confined program', () => {
  it('sees what it is given and the programs of the host, nothing else', async () => {
    await run(
      'cd / && echo * > /out/top; cat /in/file > /out/copy; echo x > /in/file; echo $$ > /out/pid; env > /out/env',
    )
    expect(
      out('top')
        .split(' ')
        .filter((name) => !['bin', 'lib', 'lib64', 'usr'].includes(name)),
    ).toEqual(['in', 'out', 'tmp'])
    expect(out('copy')).toBe('readable')
    expect(readFileSync(join(scratch, 'in/file'), 'utf8')).toBe('readable')
    expect(Number(out('pid'))).toBeLessThan(10)
    expect(out('env')).not.toMatch(/SPAWNPOINT|VITEST|USER=/)
  })

  it("has only those of root's rights that it is given", async () => {
    const tries = 'chown 7 /out/a && echo given > /out/chown; mknod /out/null c 1 3 && echo given > /out/mknod; true'
    await run(`echo > /out/a; ${tries}`)
    expect(() => out('chown')).toThrow('ENOENT')
    expect(() => out('mknod')).toThrow('ENOENT')
    await run(tries, { capabilities: ['CAP_CHOWN'] })
    expect(out('chown')).toBe('given')
    expect(() => out('mknod')).toThrow('ENOENT')
  })

  it('has no network, not even the loopback of the host', async () => {
    let asked = false
    const server = createServer((socket) => {
      asked = true
      socket.destroy()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : 0
    await expect(run(`exec 3<>/dev/tcp/127.0.0.1/${port}`)).rejects.toMatchObject({ code: 'runtime_failed' })
    expect(asked).toBe(false)
  })

  it('can write no file larger than is allowed', async () => {
    await expect(
      run('head -c 2000000 /in/../usr/bin/bash > /out/large; echo $? > /out/status; exit 1'),
    ).rejects.toThrow()
    expect(readFileSync(join(scratch, 'out/large')).length).toBeLessThanOrEqual(2 ** 20)
  })

  it('is ended after its time and on request, with all that it has started', async () => {
    const script = 'sleep 1000 & sleep 1000 & echo > /out/begun; wait'
    await expect(run(script, { timeoutMs: 1_000 })).rejects.toMatchObject({
      code: 'timeout',
      message: 'Could not try it within 1 s',
    })
    const stop = new AbortController()
    const running = run(script, { signal: stop.signal })
    stop.abort()
    await expect(running).rejects.toMatchObject({ code: 'cancelled' })
  })

  it('that is not installed is told by its name', async () => {
    await expect(run('', { program: 'no-such-program' })).rejects.toMatchObject({
      code: 'unavailable',
      message: 'no-such-program is not installed: apt-get install no-such-program',
    })
  })

  it('says why it failed', async () => {
    await expect(run('echo "   ⨯ create rootfs: unpack layer: it is bad" >&2; exit 1')).rejects.toMatchObject({
      message: 'Could not try it: unpack layer: it is bad',
    })
    const skopeo = 'echo \'time="x" level=fatal msg="reading \\"a\\": no tag"\' >&2; exit 1'
    await expect(run(skopeo)).rejects.toMatchObject({ message: 'Could not try it: reading "a": no tag' })
  })
})

describe('what a confined program reads and writes', () => {
  it('is taken to its end, however late somebody looks', async () => {
    let said = ''
    await run('printf "all of it"', {
      output: async (stdout) => {
        // The program has long ended.
        await sleep(200)
        for await (const piece of stdout) said += piece
      },
    })
    expect(said).toBe('all of it')
  })

  it('ends it where whoever reads or writes gives up', async () => {
    const failure = new Error('no more')
    const refuse = async () => {
      throw failure
    }
    await expect(run('yes', { output: refuse })).rejects.toBe(failure)
    const someOfIt = async (stdout: Readable) => {
      await once(stdout, 'readable')
      throw failure
    }
    await expect(run('yes', { output: someOfIt })).rejects.toBe(failure)
    await expect(run('sleep 1000', { input: refuse })).rejects.toBe(failure)
  })

  it('is let go of where it is told to stop, though much of it was not read', async () => {
    const stop = new AbortController()
    const output = async (stdout: Readable) => {
      await once(stdout, 'readable')
      stop.abort()
      for await (const _ of stdout) await sleep(1_000)
    }
    await expect(run('yes', { output, signal: stop.signal })).rejects.toMatchObject({ code: 'cancelled' })
  })

  it('goes in, and a program that wants no more of it says why', async () => {
    const input = async (stdin: Writable) => pipeline(Readable.from([Buffer.alloc(2 ** 20, 'x')]), stdin)
    await run('wc -c > /out/bytes', { input })
    expect(out('bytes')).toBe(String(2 ** 20))
    await expect(run('echo "tar: it is bad" >&2; exit 2', { input })).rejects.toMatchObject({
      message: 'Could not try it: it is bad',
    })
  })
})
