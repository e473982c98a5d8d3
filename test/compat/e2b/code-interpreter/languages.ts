import { TimeoutError } from '@e2b/code-interpreter'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { beginBy, sandbox, vendor } from './shared.ts'

describe('other languages', () => {
  beforeAll(() => beginBy('plain'))
  afterAll(() => sandbox.kill())

  it('JavaScript and TypeScript keep state, await, import and say what they come to', async () => {
    const run = (code: string, language = 'js') => sandbox.runCode(code, { language })
    expect((await run('const x = 41')).results).toEqual([])
    const second = await run("console.log('größe'); console.error('bad'); x + 1")
    expect([second.text, second.logs]).toEqual(['42', { stdout: ['größe\n'], stderr: ['bad\n'] }])
    expect(await run("import { basename } from 'node:path'; await Promise.resolve(basename('/a/b'))")).toMatchObject({
      text: 'b',
      error: undefined,
    })
    expect((await run("throw new TypeError('no')")).error).toMatchObject({ name: 'TypeError', value: 'no' })
    expect((await run("display.html('<b>x</b>')")).results[0]?.html).toBe('<b>x</b>')
    const env = await sandbox.runCode('process.env.OWN + process.env.MORE', { language: 'js', envs: { MORE: '!' } })
    expect(env.text).toBe('sandbox!')
    expect((await run('process.env.MORE')).text).toBeUndefined()
    expect((await run('const x: number = 7; enum E { A, B }; x + E.B', 'ts')).text).toBe('8')
    await expect(sandbox.runCode('while (true) {}', { language: 'js', timeoutMs: 500 })).rejects.toThrow(TimeoutError)
    expect((await run('x')).text).toBe('41')
  })

  it('bash keeps state, and is taken out of what takes too long', async () => {
    const run = async (code: string) => {
      const { logs } = await sandbox.runCode(code, { language: 'bash' })
      // Where output is cut is the shell's affair.
      return [logs.stdout.join(''), logs.stderr.join('')]
    }
    expect(await run('x=41; cd /tmp; echo bad >&2')).toEqual(['', 'bad\n'])
    expect(await run('echo $((x + 1)) "$OWN"; pwd')).toEqual(['42 sandbox\n/tmp\n', ''])
    await expect(sandbox.runCode('sleep 60', { language: 'bash', timeoutMs: 500 })).rejects.toThrow(TimeoutError)
    expect(await run('echo $x')).toEqual(['41\n', ''])
    const context = await sandbox.createCodeContext({ language: 'bash', cwd: '/tmp' })
    expect((await sandbox.runCode('pwd; echo "[$x]"', { context })).logs.stdout.join('')).toBe('/tmp\n[]\n')
    await expect(sandbox.runCode('1', { language: 'r' })).rejects.toThrow('not available')
    // A kernel that is busy is killed in the end, and with it what keeps it busy.
    const busy = await sandbox.createCodeContext({ language: 'js' })
    // It never answers: what it is told when its kernel is gone is no matter here.
    void sandbox.runCode('for (;;);', { context: busy }).catch(() => {})
    const sessions = () => vendor.run(sandbox, 'pgrep -fc [s]ession.cjs || true')
    await expect.poll(sessions).toBe('3')
    await vendor.run(sandbox, 'kill -9 $(ps -o ppid= $(pgrep -nf [s]ession.cjs))')
    await expect.poll(sessions).toBe('2')
  })
})
