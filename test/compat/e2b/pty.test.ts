import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until, VendorWorld } from '../vendor-world.ts'
import { SDKS } from './sdks.ts'

let vendor: VendorWorld
beforeAll(async () => {
  vendor = await VendorWorld.start()
})
afterAll(() => vendor[Symbol.asyncDispose]())

/** Collects what a terminal shows. */
function screen() {
  const decoder = new TextDecoder()
  let text = ''
  return {
    onData: (data: Uint8Array) => {
      text += decoder.decode(data, { stream: true })
    },
    get text() {
      return text
    },
    shows: (what: string | RegExp) =>
      until(async () => (typeof what === 'string' ? text.includes(what) : what.test(text))),
  }
}

describe.each(SDKS)('a terminal of %s', (_name, { Sandbox, NotFoundError, TimeoutError, CommandExitError }) => {
  let sandbox: InstanceType<typeof Sandbox>
  beforeAll(async () => {
    sandbox = await Sandbox.create()
  })
  afterAll(() => sandbox.kill())
  const type = (pid: number, text: string) => sandbox.pty.sendInput(pid, new TextEncoder().encode(text))

  it('is a login shell of the given size, which can be changed', async () => {
    const seen = screen()
    const pty = await sandbox.pty.create({ cols: 80, rows: 24, onData: seen.onData, envs: { MINE: 'ü' }, cwd: '/tmp' })
    await type(pty.pid, 'stty size; echo [$TERM] [$LANG] [$MINE] [$PWD]; tty\n')
    await seen.shows('24 80')
    await seen.shows('[xterm-256color] [C.UTF-8] [ü] [/tmp]')
    await seen.shows(/\/dev\/pts\/\d+/)
    await sandbox.pty.resize(pty.pid, { cols: 132, rows: 50 })
    await type(pty.pid, 'stty size\n')
    await seen.shows('50 132')
    await type(pty.pid, 'exit 3\n')
    await expect(pty.wait()).rejects.toMatchObject({ exitCode: 3 })
  })

  it('passes control characters on, and runs as another user if asked', async () => {
    const seen = screen()
    const pty = await sandbox.pty.create({ cols: 80, rows: 24, onData: seen.onData, user: 'root' })
    await type(pty.pid, 'whoami; sleep 1000; echo interrupted\n')
    await seen.shows(/root\r\n/)
    await until(async () => (await sandbox.commands.run('pgrep -fc "^sleep 1000" || true')).stdout.trim() === '1')
    await type(pty.pid, '\x03')
    await type(pty.pid, 'echo after-$((40 + 2))\n')
    await seen.shows('after-42')
    await type(pty.pid, '\x04')
    await pty.wait()
  })

  it('goes on without anybody looking, and can be looked at again', async () => {
    const first = screen()
    const pty = await sandbox.pty.create({ cols: 80, rows: 24, onData: first.onData })
    await type(pty.pid, 'KEPT=here; echo ready-$KEPT\n')
    await first.shows('ready-here')
    await pty.disconnect()
    expect((await sandbox.commands.list()).some(({ pid }) => pid === pty.pid)).toBe(true)
    const second = screen()
    const again = await sandbox.pty.connect(pty.pid, { onData: second.onData })
    await type(pty.pid, 'echo still-$KEPT\n')
    await second.shows('still-here')
    expect(second.text).not.toContain('ready-')
    expect(await sandbox.pty.kill(pty.pid)).toBe(true)
    await expect(again.wait()).rejects.toThrow(CommandExitError)
    expect(await sandbox.pty.kill(pty.pid)).toBe(false)
    await expect(type(pty.pid, 'x')).rejects.toThrow(NotFoundError)
    await expect(sandbox.pty.resize(pty.pid, { cols: 1, rows: 1 })).rejects.toThrow(NotFoundError)
  })

  it('ends at its time limit', async () => {
    const seen = screen()
    const pty = await sandbox.pty.create({ cols: 80, rows: 24, onData: seen.onData, timeoutMs: 1_500 })
    await expect(pty.wait()).rejects.toThrow(TimeoutError)
    await until(async () => !(await sandbox.commands.list()).some(({ pid }) => pid === pty.pid))
  })
})
