import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { ProcessOutput, ProcessSpec } from '@spawnpoint/core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildAgent, identity, startAgent, type TestAgent } from '../test/test-agent.ts'

let built: string
let agent: TestAgent
beforeAll(async () => {
  built = mkdtempSync(join(tmpdir(), 'spawnpoint-build-'))
  agent = await startAgent(buildAgent(built))
  await agent.guest.identify(identity)
}, 60_000)
afterAll(async () => {
  await agent[Symbol.asyncDispose]()
  rmSync(built, { recursive: true, force: true })
})

/** Longer than any of these programs take. */
const LONG = { gatherMs: 10_000 }
const sh = (script: string, more: Partial<ProcessSpec> = LONG): ProcessSpec => ({
  args: ['sh', '-c', script],
  env: {},
  stdin: false,
  ...more,
})
const start = (spec: ProcessSpec) => agent.guest.processes.startAndFollow(spec)

async function rest(output: AsyncIterable<ProcessOutput>): Promise<{ text: string; code: number }> {
  let text = ''
  for await (const item of output) {
    if (item.type === 'data') text += item.data
    if (item.type === 'exit') return { text, code: item.exit.code }
  }
  throw new Error('output ended without exit')
}
const run = async (spec: ProcessSpec) => rest((await start(spec)).output)

/** What is there already, without waiting for more to come. */
async function there(output: AsyncIterable<ProcessOutput>): Promise<string[]> {
  const iterator = output[Symbol.asyncIterator]()
  const seen: string[] = []
  for (;;) {
    const late = new Promise<'late'>((resolve) => {
      setImmediate(() => resolve('late'))
    })
    const next = await Promise.race([iterator.next(), late])
    if (next === 'late' || next.done) return seen
    seen.push(next.value.type === 'data' ? String(next.value.data) : next.value.type)
  }
}

describe('a start that may keep back', () => {
  test('tells a short program in one piece', async () => {
    const { info, output } = await start(sh('echo out; sleep 0.1; echo more; exit 7'))
    expect(info.exit).toBe(null)
    expect(await there(output)).toEqual(['out\n', 'more\n', 'exit'])
  })

  test('has it all there, to be taken without waiting', async () => {
    const { output } = await start(sh('echo out; echo err >&2; exit 3'))
    const arrived = output.arrived?.() ?? []
    expect(arrived.map((item) => (item.type === 'data' ? `${item.stream} ${item.data}` : item.type))).toEqual([
      'stdout out\n',
      'stderr err\n',
      'exit',
    ])
    for await (const more of output) expect(more).toBe('nothing')
    const later = await start(sh('echo now; sleep 0.2; echo later', { gatherMs: 0 }))
    const all = later.output.arrived?.() ?? []
    for await (const item of later.output) all.push(item)
    expect(all.map((item) => (item.type === 'data' ? String(item.data) : item.type)).join('')).toBe('now\nlater\nexit')
  })

  test('tells one that goes on after the time it may', async () => {
    const { info, output } = await start(sh('echo out; exec sleep 600', { gatherMs: 50 }))
    expect(await there(output)).toEqual(['out\n'])
    await agent.guest.processes.signal(info.id, 'SIGTERM', true)
    expect(await agent.guest.processes.wait(info.id)).toMatchObject({ signal: 'SIGTERM' })
  })

  test('tells at once what there is much of', async () => {
    const { text, code } = await run(sh('head -c 3000000 /dev/zero | tr "\\0" x; exit 2'))
    expect(text).toBe('x'.repeat(3_000_000))
    expect(code).toBe(2)
  })

  test('does not take the end of the output for that of the program', async () => {
    const { info, output } = await start(sh('exec >&- 2>&-; sleep 600; exit 3', { gatherMs: 50 }))
    await agent.guest.processes.signal(info.id, 'SIGKILL', true)
    expect((await rest(output)).code).toBe(137)
  })

  test('tells the exit of one whose child keeps the output open', async () => {
    const { code, text } = await run(sh('sleep 600 & echo $!'))
    expect([code, text]).toEqual([0, expect.stringMatching(/^\d+\n$/)])
    await run(sh(`kill ${text}`))
  })

  test('is the same for a second one with the same id at the same time', async () => {
    const both = await Promise.all([0, 1].map(() => run(sh('echo once; sleep 0.1; exit 4', { ...LONG, id: 'same' }))))
    for (const each of both) expect(each).toEqual({ text: 'once\n', code: 4 })
  })

  test('waits while the agent is held, and loses nothing', async () => {
    const running = start(sh('sleep 0.2; echo late; exit 5'))
    await agent.guest.hold({ hooks: false, hookTimeoutMs: 1000, sync: false, findCulprits: false })
    await new Promise((resolve) => setTimeout(resolve, 400))
    await agent.guest.release()
    expect(await rest((await running).output)).toEqual({ text: 'late\n', code: 5 })
  })

  test('keeps nobody waiting who asks for something else meanwhile, or together with it', async () => {
    // Killed before anything is told of it, unless the file comes first.
    const waiting = (file: string) =>
      run(sh(`until [ -e ${file} ]; do sleep 0.02; done; echo gone`, { ...LONG, timeoutMs: 9_000 }))
    const put = (file: string) => agent.guest.files.write(file, Readable.from([Buffer.from('x')]), {})
    const together = waiting('/tmp/together')
    const written = put('/tmp/together')
    expect(await together).toEqual({ text: 'gone\n', code: 0 })
    await written
    const first = waiting('/tmp/meanwhile')
    await agent.guest.ping()
    await put('/tmp/meanwhile')
    expect(await first).toEqual({ text: 'gone\n', code: 0 })
  })

  test('gives a terminal like any other', async () => {
    const { text } = await run(sh('tty; stty size', { ...LONG, pty: { cols: 90, rows: 30 } }))
    expect(text).toMatch(/^\/dev\/pts\/\d+\r\n30 90\r\n$/)
  })
})

describe('programs start', () => {
  test('with signals as they were, open files limited, and nothing of the agent open', async () => {
    const script = 'grep -E "^Sig(Blk|Ign|Cgt)" /proc/self/status; ulimit -n; readlink /proc/self/fd/*'
    const ours = new Set(readdirSync('/proc/self/fd').map((fd) => linkOf(`/proc/self/fd/${fd}`)))
    for (const more of [{}, LONG]) {
      const { text } = await run({ args: ['bash', '-c', `exec sh -c '${script}'`], env: {}, stdin: false, ...more })
      const [blocked, ignored, , files, ...open] = text.trim().split('\n')
      expect(blocked).toMatch(/:\s0+$/)
      expect(ignored).toMatch(/:\s0+$/)
      expect(Number(files)).toBeLessThanOrEqual(65_536)
      const foreign = open.filter((link) => !/^(pipe:.*|\/dev\/null|\/proc\/\d+\/fd)$/.test(link))
      expect(foreign).toEqual([])
      // What this process was given itself, and hands on, does not count.
      expect(open.filter((link) => link.startsWith('pipe:') && !ours.has(link))).toHaveLength(2)
    }
  })

  test('or say why not, and leave no process behind', async () => {
    for (const more of [{}, LONG]) {
      await expect(start({ args: ['/etc/passwd'], env: {}, stdin: false, ...more })).rejects.toMatchObject({
        context: { errno: 'EACCES', path: '/etc/passwd' },
      })
      await expect(start(sh('true', { ...more, cwd: '/no/dir' }))).rejects.toMatchObject({
        context: { errno: 'ENOENT', path: '/no/dir' },
      })
    }
    await expect.poll(zombies).toBe(0)
  })

  test('and what they leave behind is reaped', async () => {
    await run(sh('for i in 1 2 3; do (sleep 0.2; exit 5) >/dev/null 2>&1 & done'))
    await expect.poll(async () => (await run(sh('pgrep -c -f "[s]leep 0.2"; true'))).text).toBe('0\n')
    await expect.poll(zombies).toBe(0)
  })

  /** Of the agent: the machine may have others. */
  async function zombies(): Promise<number> {
    const script =
      'grep -l "^PPid:.$PPID$" /proc/[0-9]*/status 2>/dev/null | xargs grep -l "^State:.Z" 2>/dev/null | wc -l'
    const { text } = await run(sh(script))
    return Number(text)
  }
})

test('ending all programs ends as soon as they have', async () => {
  const trapped = join(agent.dir, 'trapped')
  const running = start(sh(`trap "exit 9" TERM; : > ${trapped}; while :; do sleep 0.05; done`))
  await expect.poll(() => existsSync(trapped)).toBe(true)
  // Without a word of the last one's end this would take the whole time.
  await agent.guest.shutdown(600_000)
  expect((await rest((await running).output)).code).toBe(9)
})

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return '' // the descriptor that the directory was read by
  }
}
