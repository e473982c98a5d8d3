import { TimeoutError } from '@e2b/code-interpreter'
import { describe, expect, it } from 'vitest'
import { result, sandbox, vendor } from './shared.ts'

/** What runs, and what it says while it does. */
export function codeTests(): void {
  describe('code', () => {
    it('keeps state from one execution to the next, and counts them', async () => {
      const first = await sandbox.runCode('x = 41')
      expect(first.results).toEqual([])
      const second = await sandbox.runCode('x + 1')
      expect(second.text).toBe('42')
      expect(second.results).toHaveLength(1)
      expect(second.results[0]?.isMainResult).toBe(true)
      expect((second.executionCount ?? 0) - (first.executionCount ?? 0)).toBe(1)
    })

    it('runs as `user` at home, with the variables of the sandbox', async () => {
      expect(await result('import os, getpass; f"{getpass.getuser()} {os.getcwd()} {os.environ[\'OWN\']}"')).toBe(
        'user /home/user sandbox',
      )
      expect(await result('!whoami')).toBe('')
      expect(await result("os.environ['E2B_SANDBOX_ID']")).toBe(sandbox.sandboxId)
    })

    it('prints as it goes, to the callbacks too', async () => {
      const seen: { line: string; error: boolean }[] = []
      const code = `
import sys, time, pathlib
print('größe 🎉', flush=True)
while not pathlib.Path('/tmp/go').exists(): time.sleep(0.05)
print('bad', file=sys.stderr, flush=True)
`
      const running = sandbox.runCode(code, {
        onStdout: async ({ line, error }) => {
          seen.push({ line, error })
          await vendor.run(sandbox, 'touch /tmp/go')
        },
        onStderr: ({ line, error }) => void seen.push({ line, error }),
      })
      const { logs } = await running
      // In how many pieces they come is Python's affair.
      expect(seen[0]?.error).toBe(false)
      const said = (of: boolean) => seen.flatMap(({ line, error }) => (error === of ? line : [])).join('')
      expect([said(false), said(true)]).toEqual(['größe 🎉\n', 'bad\n'])
      expect([logs.stdout.join(''), logs.stderr.join('')]).toEqual(['größe 🎉\n', 'bad\n'])
    })

    it('that fails says how', async () => {
      const errors: string[] = []
      const { error, results } = await sandbox.runCode('def f(): return 1 / 0\nf()', {
        onError: ({ name }) => void errors.push(name),
      })
      expect(error).toMatchObject({ name: 'ZeroDivisionError', value: 'division by zero' })
      expect(error?.traceback).toMatch(/return 1 \/ 0/)
      expect(error?.traceback).not.toContain('\u001b')
      expect([errors, results]).toEqual([['ZeroDivisionError'], []])
      expect((await sandbox.runCode('def f(:')).error?.name).toBe('SyntaxError')
      expect((await sandbox.runCode('raise SystemExit(3)')).error?.name).toBe('SystemExit')
      expect(await result('"it goes on"')).toBe('it goes on')
    })

    it('has variables of its own for one execution', async () => {
      const code = "import os; [os.environ.get('OWN'), os.environ.get('MORE')]"
      expect(await result(code, { envs: { OWN: 'call', MORE: '"\'\\\n ü' } })).toBe(`['call', '"\\'\\\\\\n ü']`)
      expect(await result(code)).toBe("['sandbox', None]")
    })

    it('may print and return a lot', async () => {
      const { logs, text } = await sandbox.runCode("print('o' * 5_000_000)\n'r' * 5_000_000")
      expect(logs.stdout.join('').length).toBe(5_000_001)
      expect(text?.length).toBe(5_000_000)
    })

    it('that takes too long is interrupted, and its state is kept', async () => {
      await result('n = 0')
      const endless = 'import time\nwhile True:\n  n += 1\n  time.sleep(0.01)'
      await expect(sandbox.runCode(endless, { timeoutMs: 1_000 })).rejects.toThrow(TimeoutError)
      expect(Number(await result('n'))).toBeGreaterThan(0)
      expect(await result('m = n\ntime.sleep(0.3)\nm == n')).toBe('True')
    })

    it('that ends its kernel gets an error; the context begins anew', async () => {
      await result('lost = 1')
      const { error } = await sandbox.runCode('import os\nos._exit(1)')
      expect(error?.name).toBe('ContextRestarting')
      expect((await sandbox.runCode('lost')).error?.name).toBe('NameError')
      expect(await result("import os; os.environ['OWN']")).toBe('sandbox')
    })
  })
}
