import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { runCommand } from './command.ts'
import { findByArgument, findProcess, isAlive, killProcess } from './host-process.ts'

const bash = (script: string, over = {}) =>
  runCommand('bash', ['--norc', '-c', script, 'x'], { timeoutMs: 10_000, ...over })

describe('runCommand', () => {
  it('returns what a program said and how it ended', async () => {
    expect(await bash('cat; echo bad >&2; exit 3', { input: 'text' })).toEqual({
      code: 3,
      signal: null,
      timedOut: false,
      stdout: 'text',
      stderr: 'bad\n',
    })
    expect(await bash('kill -9 $$')).toMatchObject({ code: null, signal: 'SIGKILL' })
  })

  it('keeps the beginning and the end of endless output', async () => {
    const { stdout } = await bash('echo first; head -c 1000000 /dev/zero | tr "\\0" x; echo last', {
      maxOutputBytes: 1_000,
    })
    expect(stdout.length).toBeLessThan(1_200)
    expect(stdout).toMatch(/^first\nx+\n… \d+ bytes left out …\nx+last\n$/)
  })

  it('ends the whole group at the time limit, and does not wait for one that holds the output', async () => {
    const mark = `${process.pid}-${performance.now()}`
    const began = performance.now()
    // Not the last command, or bash would become the sleep and lose its mark.
    const script = `bash -c 'sleep 60; :' in-${mark} & setsid bash -c 'sleep 60; :' out-${mark} & wait`
    const running = bash(script, { timeoutMs: 2_000 })
    await expect.poll(() => findByArgument(`in-${mark}`).length).toBeGreaterThan(0)
    expect((await running).timedOut).toBe(true)
    // Not when what holds the output has ended.
    expect(performance.now() - began).toBeLessThan(30_000)
    await expect.poll(() => findByArgument(`\0in-${mark}`)).toEqual([])
    const left = findByArgument(`\0out-${mark}`)
    expect(left).toHaveLength(1)
    left.forEach(killProcess)
  })

  it('ends when it is told to, also before it began', async () => {
    const abort = new AbortController()
    const running = bash('sleep 60', { signal: abort.signal })
    await sleep(50)
    abort.abort()
    expect(await running).toMatchObject({ signal: 'SIGKILL', timedOut: false })
    expect(await bash('sleep 60', { signal: abort.signal })).toMatchObject({ signal: 'SIGKILL' })
  })

  it('rejects for a program that is not there', async () => {
    await expect(runCommand('/no/such/program', [], { timeoutMs: 1_000 })).rejects.toThrow(/ENOENT/)
  })
})

describe('host processes', () => {
  it('are told apart from later ones with the same number', () => {
    const self = findProcess(process.pid)
    expect(self && isAlive(self)).toBe(true)
    expect(isAlive({ pid: process.pid, startTime: '1' })).toBe(false)
    expect(findProcess(2 ** 22 + 1)).toBeNull()
    // Would end this test if it did not look first.
    killProcess({ pid: process.pid, startTime: '1' })
  })

  it('that are zombies count as dead', async () => {
    const script = 'sleep 0 & echo $!; exec sleep 5'
    const { spawn } = await import('node:child_process')
    const parent = spawn('bash', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] })
    const pid = await new Promise<number>((resolve) => parent.stdout.once('data', (data) => resolve(Number(data))))
    await expect.poll(() => findProcess(pid)).toBeNull()
    parent.kill('SIGKILL')
  })
})
