import { NotFoundError, Sandbox } from '@e2b/code-interpreter'
import { describe, expect, it } from 'vitest'
import { result, sandbox } from './shared.ts'

/** Where state is kept, and how long. */
export function contextTests(): void {
  describe('contexts', () => {
    it('each have a state and a directory; they are listed, restarted and removed', async () => {
      const context = await sandbox.createCodeContext({ cwd: '/tmp' })
      expect(context).toEqual({ id: expect.any(String), language: 'python', cwd: '/tmp' })
      await result('mine = 1', { context })
      expect(await result('import os; os.getcwd()', { context })).toBe('/tmp')
      expect((await sandbox.runCode('mine')).error?.name).toBe('NameError')
      expect(await result('mine', { context })).toBe('1')
      const list = await sandbox.listCodeContexts()
      expect(list).toContainEqual(context)
      expect(list).toContainEqual({ id: expect.any(String), language: 'python', cwd: '/home/user' })

      await sandbox.restartCodeContext(context)
      expect((await sandbox.runCode('mine', { context })).error?.name).toBe('NameError')
      expect(await result('import os; os.getcwd()', { context })).toBe('/tmp')

      await sandbox.removeCodeContext(context)
      expect((await sandbox.listCodeContexts()).map(({ id }) => id)).not.toContain(context.id)
      await expect(sandbox.runCode('1', { context })).rejects.toThrow(NotFoundError)
      await expect(sandbox.removeCodeContext(context)).rejects.toThrow(NotFoundError)
      await expect(sandbox.restartCodeContext(context)).rejects.toThrow(NotFoundError)
    })

    it('run beside each other', async () => {
      const other = await sandbox.createCodeContext()
      const wait = (name: string) =>
        `import pathlib, time\nwhile not pathlib.Path('/tmp/${name}').exists(): time.sleep(0.02)`
      const first = sandbox.runCode(`${wait('from-other')}\n'first'`)
      const second = sandbox.runCode("import pathlib; pathlib.Path('/tmp/from-other').touch()\n'second'", {
        context: other,
      })
      expect((await Promise.all([first, second])).map(({ text }) => text)).toEqual(['first', 'second'])
      await sandbox.removeCodeContext(other)
    })

    it('of a language that is not there, or in no directory, are refused', async () => {
      await expect(sandbox.createCodeContext({ language: 'cobol' })).rejects.toThrow(/400 .*cobol/)
      await expect(sandbox.runCode('1', { language: 'r' })).rejects.toThrow(/400 .*r is not available/)
      await expect(sandbox.createCodeContext({ cwd: '/nowhere' })).rejects.toThrow(/400 .*nowhere/)
      expect((await sandbox.runCode('1 + 1', { language: 'python' })).text).toBe('2')
    })
  })

  describe('a memory snapshot', () => {
    it('keeps contexts; each clone goes its own way', async () => {
      const origin = await Sandbox.create({ timeoutMs: 600_000, envs: { OWN: 'origin' } })
      const context = await origin.createCodeContext({ cwd: '/tmp' })
      await result('steps = ["origin"]', { context }, origin)
      await result('default = 1', {}, origin)
      const { snapshotId } = await origin.createSnapshot()
      await result('steps.append("later")', { context }, origin)

      const clones = await Promise.all([1, 2].map((n) => Sandbox.create(snapshotId, { envs: { OWN: `clone ${n}` } })))
      for (const [index, clone] of clones.entries()) {
        expect(await result(`steps.append("clone ${index}"); steps`, { context }, clone)).toBe(
          `['origin', 'clone ${index}']`,
        )
        expect(await result("import os; default, os.environ['OWN'], os.environ['E2B_SANDBOX_ID']", {}, clone)).toBe(
          `(1, 'clone ${index + 1}', '${clone.sandboxId}')`,
        )
        expect(await clone.listCodeContexts()).toContainEqual(context)
      }
      expect(await result('steps', { context }, origin)).toBe("['origin', 'later']")
      for (const one of [origin, ...clones]) await one.kill()
    })

    it('of a pause keeps them too', async () => {
      const paused = await Sandbox.create({ timeoutMs: 600_000 })
      await result('kept = 7', {}, paused)
      await paused.pause()
      const resumed = await Sandbox.connect(paused.sandboxId)
      expect(await result('kept', {}, resumed)).toBe('7')
      await resumed.kill()
    })
  })
}
