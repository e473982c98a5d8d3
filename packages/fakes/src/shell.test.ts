import { describe, expect, it } from 'vitest'
import { TestWorld } from './test-world.ts'

async function sh(script: string, env: Record<string, string> = {}) {
  const { guest } = await (await new TestWorld().open()).boot()
  const args = ['/bin/sh', '-c', script]
  const { output } = await guest.processes.startAndFollow({ args, env, cwd: '/root', stdin: false })
  const seen = { stdout: '', stderr: '', code: -1 }
  for await (const item of output) {
    if (item.type === 'exit') seen.code = item.exit.code
    else if (item.type === 'data' && item.stream !== 'pty') seen[item.stream] += item.data.toString()
  }
  return seen
}

describe('the fake shell', () => {
  it.each([
    ['echo hello', 'hello\n', '', 0],
    ['echo "$NAME" \'$NAME\' x$NAME', 'a b $NAME xa b\n', '', 0],
    ['echo one; echo two >&2; exit 4', 'one\n', 'two\n', 4],
    ['false && echo no; true && echo yes || echo never', 'yes\n', '', 0],
    ['false || echo so', 'so\n', '', 0],
    ['echo a > f && echo b >> f && cat /root/f && pwd', 'a\nb\n/root\n', '', 0],
    ['export X=1; echo $X', '1\n', '', 0],
    ['echo before; sleep 0.01 && echo after; exit 3', 'before\nafter\n', '', 3],
    ['no-such-thing', '', 'sh: no-such-thing: not found\n', 127],
  ])('runs %s', async (script, stdout, stderr, code) => {
    expect(await sh(script, { NAME: 'a b' })).toEqual({ stdout, stderr, code })
  })

  it('says why a command failed', async () => {
    expect(await sh('cat /missing')).toMatchObject({ code: 1, stderr: expect.stringContaining('ENOENT') })
  })
})
