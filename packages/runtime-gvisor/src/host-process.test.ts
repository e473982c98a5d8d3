import { spawn } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { findProcess, isAlive, killProcess } from './host-process.ts'

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
    const parent = spawn('bash', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] })
    const pid = await new Promise<number>((resolve) => parent.stdout.once('data', (data) => resolve(Number(data))))
    await expect.poll(() => findProcess(pid)).toBeNull()
    parent.kill('SIGKILL')
  })
})
