import { describe, expect, it } from 'vitest'
import type { HyperWorld } from './hyper-world.ts'

/** Processes and terminals. */
export function processTests(at: () => HyperWorld): void {
  describe('processes', () => {
    it('run with directory, environment and user, and give their result', async () => {
      const sandbox = await at().create()
      const result = await sandbox.exec({
        command: 'bash',
        args: ['-c', 'pwd; echo "$A b"; id -un; echo err >&2; exit 7'],
        cwd: '/tmp',
        env: { A: 'a' },
        runAs: 'root',
      })
      expect(result).toMatchObject({ status: 'exited', exitCode: 7, stdout: '/tmp\na b\nroot\n', stderr: 'err\n' })
      expect(result.completedAt).toBeGreaterThanOrEqual(result.startedAt)
      expect(await sandbox.exec('sleep 9', { timeoutMs: 200 })).toMatchObject({ status: 'timed_out' })
    })

    it('go on in the background: streamed, waited for, signalled, killed, listed', async () => {
      const sandbox = await at().create()
      const handle = await sandbox.processes.start({ command: 'echo héllo; cat; echo done >&2' })
      await handle.writeStdin('from stdin\n')
      await handle.writeStdin({ data: 'last\n', eof: true })
      const seen: string[] = []
      for await (const event of handle.stream())
        seen.push(event.type === 'exit' ? `exit ${event.result.exitCode}` : `${event.type} ${event.data}`)
      expect(
        seen
          .filter((one) => one.startsWith('stdout'))
          .map((one) => one.slice(7))
          .join(''),
      ).toBe('héllo\nfrom stdin\nlast\n')
      // Which of two streams is read first is nobody's to say.
      expect(seen).toContain('stderr done\n')
      expect(seen.at(-1)).toBe('exit 0')
      expect(await handle.wait()).toMatchObject({ exitCode: 0, stdout: 'héllo\nfrom stdin\nlast\n', stderr: 'done\n' })

      const sleeper = await sandbox.processes.start({ command: 'exec sleep 1000' })
      await expect(sleeper.wait({ timeoutMs: 100 })).rejects.toMatchObject({
        statusCode: 408,
        message: expect.stringContaining('timed out'),
      })
      const { data } = await sandbox.processes.list({ status: ['running'] })
      expect(data.map(({ id }) => id)).toEqual([sleeper.id])
      // What the server runs to do what a file call asks for is nobody's process.
      await sandbox.files.chmod({ path: '/tmp', mode: '1777' }).catch(() => {})
      const first = await sandbox.processes.list({ limit: 1 })
      const rest = await sandbox.processes.list({ cursor: first.nextCursor ?? '' })
      expect([...first.data, ...rest.data].map(({ id }) => id)).toEqual([handle.id, sleeper.id])
      await expect(sandbox.processes.list({ status: 'nonsense' as never })).rejects.toMatchObject({ statusCode: 400 })
      await sleeper.signal('15')
      expect(await sleeper.wait()).toMatchObject({ status: 'killed', exitCode: 143 })
      await expect(sleeper.writeStdin('too late')).rejects.toMatchObject({ statusCode: 409 })
      const other = await sandbox.processes.start({ command: 'exec sleep 1000' })
      expect(await other.kill()).toMatchObject({ status: 'killed' })
      await expect(sandbox.getProcess('nothing')).rejects.toMatchObject({
        statusCode: 404,
        message: expect.stringContaining('not found'),
      })
    })

    it('write more than is kept, which a client that wants the beginning is told', async () => {
      const sandbox = await at().create()
      const handle = await sandbox.processes.start({ command: 'head -c 10000000 /dev/zero | tr "\\0" x' })
      const result = await handle.wait()
      expect(result.stdout.length).toBeGreaterThan(3 * 2 ** 20)
      const replay = async () => {
        for await (const _ of handle.stream(1)) break
      }
      await expect(replay()).rejects.toMatchObject({ statusCode: 410, code: 'replay_window_expired' })
    })
  })

  describe('terminals', () => {
    it('show, take input, change size and end', async () => {
      const sandbox = await at().create()
      const pty = await sandbox.terminal.create({ command: 'bash', args: ['--norc'], rows: 20, cols: 70 })
      expect(pty.current).toMatchObject({ running: true, rows: 20, cols: 70 })
      const connection = await pty.attach()
      await connection.resize(30, 100)
      expect((await pty.refresh()).current.rows).toBe(30)
      await connection.write('stty size; echo é; exit 3\n')
      let text = ''
      let exit: unknown = null
      for await (const event of connection.events()) {
        if (event.type === 'output') text += event.data
        else exit = event.status
      }
      expect(text).toContain('30 100')
      expect(text).toContain('é')
      expect(exit).toMatchObject({ running: false, exitCode: 3 })
      await connection.close()
      expect((await pty.wait({ includeOutput: true })).output?.length).toBeGreaterThan(0)
      expect((await sandbox.terminal.get(pty.id)).current.output).toBeUndefined()
      const shell = await sandbox.pty.create({ command: 'exit', args: ['5'], useShell: true })
      expect(await shell.wait()).toMatchObject({ command: 'exit', args: ['5'], exitCode: 5 })
      const other = await sandbox.pty.create({ command: 'sleep', args: ['1000'] })
      expect(await other.kill()).toMatchObject({ running: false })
      await expect(other.resize(1, 1)).rejects.toMatchObject({ statusCode: 409 })
      const long = await sandbox.pty.create({ command: 'head', args: ['-c', '3000000', '/dev/zero'] })
      await long.wait()
      await expect(long.attach(1)).rejects.toMatchObject({ statusCode: 410, code: 'replay_window_expired' })
      await expect(sandbox.terminal.get('nothing')).rejects.toMatchObject({ statusCode: 404 })
    })
  })
}
