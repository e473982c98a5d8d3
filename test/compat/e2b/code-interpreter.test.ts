import {
  type Context,
  NotFoundError,
  type RunCodeOpts,
  Sandbox,
  SandboxError,
  TimeoutError,
} from '@e2b/code-interpreter'
import { Sandbox as Plain } from 'e2b'
import { Sandbox as NovitaInterpreter } from 'novita-sandbox/code-interpreter'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until, VendorWorld, WAYS } from '../vendor-world.ts'

let vendor: VendorWorld
/** One for all that does not change it for good, each way of its own */
let sandbox: Sandbox
beforeAll(async () => {
  vendor = await VendorWorld.startWithDomain()
  await vendor.world.importInterpreter()
}, 900_000) // the first run builds the image
afterAll(() => vendor[Symbol.asyncDispose]())

/** Text of the result, and whatever went wrong with it. */
async function result(
  code: string,
  options: RunCodeOpts & { context?: Context } = {},
  of: Sandbox = sandbox,
): Promise<string> {
  const { text, error } = await of.runCode(code, options)
  expect(error).toBeUndefined()
  return text ?? ''
}

describe.each(WAYS)('the code interpreter, %s', (way) => {
  beforeAll(async () => {
    vendor.by(way)
    sandbox = await Sandbox.create({ timeoutMs: 600_000, envs: { OWN: 'sandbox' } })
  })
  afterAll(() => sandbox.kill())

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
      const seen: string[] = []
      const code = `
import sys, time, pathlib
print('größe 🎉', flush=True)
while not pathlib.Path('/tmp/go').exists(): time.sleep(0.05)
print('bad', file=sys.stderr, flush=True)
`
      const running = sandbox.runCode(code, {
        onStdout: async ({ line, error }) => {
          seen.push(`${error} ${line}`)
          await vendor.run(sandbox, 'touch /tmp/go')
        },
        onStderr: ({ line, error }) => void seen.push(`${error} ${line}`),
      })
      const { logs } = await running
      expect(seen).toEqual(['false größe 🎉\n', 'true bad\n'])
      expect(logs).toEqual({ stdout: ['größe 🎉\n'], stderr: ['bad\n'] })
    })

    it('gives results in every form that they have', async () => {
      const { results } = await sandbox.runCode(`
from IPython.display import display, HTML, Markdown, JSON, SVG, Latex, Javascript
for one in (HTML('<b>h</b>'), Markdown('*m*'), JSON({'a': [1]}), SVG('<svg xmlns="http://www.w3.org/2000/svg"/>'), Latex('$l$'), Javascript('j')):
    display(one)
import pandas
pandas.DataFrame({'n': [1, 2]})
`)
      expect(results.map((one) => one.formats())).toEqual([
        ['html'],
        ['markdown'],
        ['json'],
        ['svg'],
        ['latex'],
        ['javascript'],
        ['html', 'data'],
      ])
      expect(results[0]?.html).toBe('<b>h</b>')
      expect(results[2]?.json).toEqual({ a: [1] })
      expect(results.at(-1)).toMatchObject({ isMainResult: true, text: '   n\n0  1\n1  2' })
      expect(results.filter((one) => one.isMainResult)).toHaveLength(1)
    })

    it('draws', async () => {
      const { results, error } = await sandbox.runCode(`
import numpy, matplotlib.pyplot as plt
plt.plot(numpy.arange(10) ** 2)
plt.show()
`)
      expect(error).toBeUndefined()
      const png = Buffer.from(results[0]?.png ?? '', 'base64')
      expect(png.subarray(1, 4).toString()).toBe('PNG')
      expect(png.length).toBeGreaterThan(5_000)
    })

    it('gives tables as data and charts as what they show', async () => {
      const { results, error } = await sandbox.runCode(CHARTS)
      expect(error).toBeUndefined()
      const [table, line, bars, pie, boxes, several] = results
      expect(table?.data).toEqual({ n: [1, null], at: ['2026-01-02T00:00:00', null], s: ['a', 'b'] })
      expect(line?.chart).toMatchObject({
        type: 'line',
        title: 'Lines',
        x_label: 'Time (s)',
        x_unit: 's',
        y_label: null,
        x_scale: 'linear',
        y_scale: 'log',
        elements: [
          {
            label: 'squares',
            points: [
              [1, 1],
              [2, 4],
              [3, 9],
            ],
          },
        ],
      })
      expect(line?.png).toBeDefined()
      expect(bars?.chart).toMatchObject({
        type: 'bar',
        elements: [
          { label: 'a', group: 'one', value: 3 },
          { label: 'b', group: 'one', value: 4 },
        ],
      })
      expect(pie?.chart).toMatchObject({
        type: 'pie',
        elements: [{ label: 'x', angle: 90, radius: 1 }, { label: 'y' }],
      })
      expect(boxes?.chart).toMatchObject({
        type: 'box_and_whisker',
        elements: [{ label: 'first', min: 1, first_quartile: 2, median: 3, third_quartile: 4, max: 5, outliers: [40] }],
      })
      expect(several?.chart).toMatchObject({
        type: 'superchart',
        title: 'Both',
        elements: [
          {
            type: 'scatter',
            x_scale: 'datetime',
            elements: [{ points: [[expect.stringMatching(/^2026-01-02T/), 5]] }],
          },
          {
            type: 'line',
            x_scale: 'categorical',
            elements: [
              {
                points: [
                  ['k', 1],
                  ['l', 2],
                ],
              },
            ],
          },
        ],
      })
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

  describe('who is let in', () => {
    it('has the token of the sandbox', async () => {
      const post = (token?: string) =>
        fetch(`${vendor.addressOf(sandbox, 49999)}/execute`, {
          method: 'POST',
          headers: token === undefined ? {} : { 'x-access-token': token },
          body: '{"code":"1"}',
        })
      expect((await post()).status).toBe(401)
      expect((await post('0'.repeat(64))).status).toBe(401)
    })

    it('needs an image with an interpreter', async () => {
      const plain = await Plain.create('base')
      const connected = await Sandbox.connect(plain.sandboxId)
      await expect(connected.runCode('1')).rejects.toThrow(SandboxError)
      await expect(connected.runCode('1')).rejects.toThrow('code-interpreter-v1')
      await plain.kill()
    })

    it('is told when the sandbox is killed meanwhile', async () => {
      const killed = await Sandbox.create()
      await result('1', {}, killed)
      const running = killed.runCode('import time, pathlib\npathlib.Path("/tmp/runs").touch()\ntime.sleep(600)')
      const failed = running.then(
        () => null,
        (error: unknown) => error,
      )
      await until(async () => (await vendor.run(killed, 'ls /tmp')).includes('runs'))
      await killed.kill()
      expect(await failed).toBeInstanceOf(TimeoutError)
    })
  })
})

/** What is the same whatever way clients come. */
describe('other languages', () => {
  beforeAll(async () => {
    vendor.by('plain')
    sandbox = await Sandbox.create({ timeoutMs: 600_000, envs: { OWN: 'sandbox' } })
  })
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

describe('Jupyter', () => {
  it('runs already in a new sandbox, whose random numbers are its own', async () => {
    const code = 'import random, numpy\n[random.random(), numpy.random.rand()]'
    const sandboxes = await Promise.all([1, 2].map(() => Sandbox.create()))
    const before = await Promise.all(sandboxes.map((one) => vendor.run(one, 'pgrep -fc [i]pykernel_launcher')))
    expect(before).toEqual(['1', '1'])
    const [first, second] = await Promise.all(sandboxes.map((one) => result(code, {}, one)))
    expect(first).toMatch(/^\[0\.\d+, 0\.\d+\]$/)
    expect(first).not.toBe(second)
    for (const one of sandboxes) await one.kill()
  })

  it('is started on first use where it does not, and where the sandbox has booted anew', async () => {
    const plain = await Sandbox.create('code-interpreter-packages')
    const texts = await Promise.all([1, 2, 3].map((n) => result(`${n}`, {}, plain)))
    expect(texts).toEqual(['1', '2', '3'])
    await plain.kill()

    const rebooted = await Sandbox.create()
    await result('lost = 1', {}, rebooted)
    await rebooted.pause({ keepMemory: false })
    await rebooted.connect()
    expect((await rebooted.runCode('lost')).error?.name).toBe('NameError')
    expect(await vendor.run(rebooted, 'pgrep -fc ^/usr/bin/python3.*[j]upyter-server')).toBe('1')
    await rebooted.kill()
  })
})

describe("Novita's, which needs a domain", () => {
  it('runs code in contexts', async () => {
    vendor.by('tls')
    const sandbox = await NovitaInterpreter.create()
    const context = await sandbox.createCodeContext({ cwd: '/tmp' })
    await sandbox.runCode('x = 20', { context })
    const { text, logs } = await sandbox.runCode('print("größe")\nx + 1', { context })
    expect([text, logs.stdout]).toEqual(['21', ['größe\n']])
    expect((await sandbox.listCodeContexts()).map(({ id }) => id)).toContain(context.id)
    await sandbox.restartCodeContext(context)
    expect((await sandbox.runCode('x', { context })).error?.name).toBe('NameError')
    await sandbox.removeCodeContext(context)
    const { snapshotId } = await sandbox.createSnapshot()
    await sandbox.runCode('y = 1')
    const clone = await NovitaInterpreter.create(snapshotId)
    expect((await clone.runCode('y')).error?.name).toBe('NameError')
    for (const one of [sandbox, clone]) await one.kill()
  })
})

const CHARTS = `
import datetime, pandas, matplotlib.pyplot as plt
from IPython.display import display
display(pandas.DataFrame({'n': [1, float('nan')], 'at': pandas.to_datetime(['2026-01-02', None]), 's': ['a', 'b']}))
plt.plot([1, 2, 3], [1, 4, 9], label='squares'); plt.title('Lines'); plt.xlabel('Time (s)'); plt.yscale('log'); plt.show()
plt.bar(['a', 'b'], [3, 4], label='one'); plt.show()
plt.pie([1, 3], labels=['x', 'y']); plt.show()
plt.boxplot([[1, 2, 2, 2, 3, 3, 4, 4, 4, 5, 40]], labels=['first']); plt.show()
figure, (left, right) = plt.subplots(1, 2)
figure.suptitle('Both')
left.scatter([datetime.datetime(2026, 1, 2)], [5])
right.plot(['k', 'l'], [1, 2])
plt.show()
`
