import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { runCommand, useLauncher } from './launcher.ts'

const bash = (script: string, over = {}) =>
  runCommand('bash', ['--norc', '-c', script, 'x'], { timeoutMs: 10_000, ...over })

/** Processes with this argument. */
function named(argument: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && argumentsOf(pid).includes(argument))
}

function argumentsOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')
  } catch {
    // ENOENT, ESRCH: it ended while we looked.
    return []
  }
}

describe.each(['by this process', 'by a launcher'])('a command, started %s', (by) => {
  let launcher: Disposable | undefined
  beforeAll(async () => {
    if (by === 'by a launcher') launcher = await useLauncher()
  })
  afterAll(() => launcher?.[Symbol.dispose]())

  it('tells what it said and how it ended', async () => {
    expect(await bash('cat; echo bad >&2; exit 3', { input: 'text' })).toEqual({
      code: 3,
      signal: null,
      timedOut: false,
      stdout: 'text',
      stderr: 'bad\n',
      truncated: false,
    })
    expect(await bash('kill -9 $$')).toMatchObject({ code: null, signal: 'SIGKILL' })
  })

  it('keeps the beginning and the end of endless output', async () => {
    const { stdout, truncated } = await bash('echo first; head -c 1000000 /dev/zero | tr "\\0" x; echo last', {
      maxOutputBytes: 1_000,
    })
    expect(truncated).toBe(true)
    expect(stdout.length).toBeLessThan(1_200)
    expect(stdout).toMatch(/^first\nx+\n… \d+ bytes left out …\nx+last\n$/)
  })

  it('ends the whole group at the time limit, and does not wait for one that holds the output', async () => {
    const mark = `${process.pid}-${performance.now()}`
    const began = performance.now()
    // Not the last command, or bash would become the sleep and lose its mark.
    const script = `bash -c 'sleep 60; :' in-${mark} & setsid bash -c 'sleep 60; :' out-${mark} & wait`
    const running = bash(script, { timeoutMs: 2_000 })
    await expect.poll(() => named(`in-${mark}`)).not.toEqual([])
    expect((await running).timedOut).toBe(true)
    // Not when what holds the output has ended.
    expect(performance.now() - began).toBeLessThan(30_000)
    await expect.poll(() => named(`in-${mark}`)).toEqual([])
    const left = named(`out-${mark}`)
    expect(left).toHaveLength(1)
    for (const pid of left) process.kill(pid, 'SIGKILL')
  })

  it('ends when it is told to, also before it began', async () => {
    const abort = new AbortController()
    const running = bash('sleep 60', { signal: abort.signal })
    abort.abort()
    expect(await running).toMatchObject({ signal: 'SIGKILL', timedOut: false })
    expect(await bash('sleep 60', { signal: abort.signal })).toMatchObject({ signal: 'SIGKILL' })
  })

  it('rejects for a program that is not there', async () => {
    const running = runCommand('/no/such/program', [], { timeoutMs: 1_000 })
    await expect(running).rejects.toMatchObject({ code: 'ENOENT' })
    const reading = runCommand('cat', [], { timeoutMs: 1_000, stdio: ['/no/such', '/no/such', '/no/such'] })
    await expect(reading).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('has files for its input and output', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'spawnpoint-commands-'))
    onTestFinished(() => rmSync(dir, { recursive: true }))
    const files = ['in', 'out', 'err'].map((name) => join(dir, name)) as [string, string, string]
    for (const file of files) writeFileSync(file, file.endsWith('in') ? 'said' : '')
    expect((await bash('cat; echo bad >&2', { stdio: files })).code).toBe(0)
    expect(files.map((file) => readFileSync(file, 'utf8'))).toEqual(['said', 'said', 'bad\n'])
  })
})

describe('a launcher', () => {
  const launched = () => named(new URL('./launcher-process.ts', import.meta.url).pathname)

  it('that dies takes along what it had started, and is replaced', async () => {
    using _launcher = await useLauncher()
    const [first] = launched() as [number]
    const mark = `${process.pid}-${performance.now()}`
    const running = runCommand('bash', ['-c', 'sleep 60; :', mark], { timeoutMs: 60_000 })
    await expect.poll(() => named(mark)).toHaveLength(1)
    process.kill(first, 'SIGKILL')
    expect(await running).toMatchObject({ code: null, signal: 'SIGKILL' })
    await expect.poll(() => named(mark)).toEqual([])
    const parents = async () => Number((await bash('echo $PPID')).stdout)
    expect(await parents()).toBe(process.pid)
    await expect.poll(async () => launched().includes(await parents()), { timeout: 10_000 }).toBe(true)
  })

  it('ends with whoever has it, and does not hold it', async () => {
    const script = `
      import { runCommand, useLauncher } from ${JSON.stringify(new URL('./launcher.ts', import.meta.url).href)}
      await useLauncher()
      process.stdout.write((await runCommand('bash', ['-c', 'echo $PPID'], { timeoutMs: 10_000 })).stdout)`
    const args = ['--conditions=development', '--input-type=module', '-e', script]
    const { code, stdout } = await runCommand(process.execPath, args, { timeoutMs: 10_000 })
    expect(code).toBe(0)
    expect(Number(stdout)).toBeGreaterThan(0)
    await expect.poll(() => launched()).not.toContain(Number(stdout))
  })
})
