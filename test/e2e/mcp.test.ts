import { resolve } from 'node:path'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { World } from './world.ts'

/** For what happens by itself, on a machine that may be busy */
const PATIENT = { timeout: 30_000 }

let world: World
let client: Client
beforeAll(async () => {
  world = await World.start()
  client = new Client({ name: 'test', version: '1' })
  await client.connect(
    new StdioClientTransport({
      command: resolve(import.meta.dirname, '../../bin/spawnpoint'),
      args: ['mcp'],
      env: { PATH: process.env.PATH ?? '', SPAWNPOINT_URL: world.url, SPAWNPOINT_API_KEY: world.key },
    }),
  )
})
afterAll(async () => {
  await client.close()
  await world[Symbol.asyncDispose]()
})

// biome-ignore lint/suspicious/noExplicitAny: answers of all shapes, which the test then looks at
async function call(name: string, args: Record<string, unknown> = {}): Promise<any> {
  const { content, isError } = await client.callTool({ name, arguments: args })
  const [first] = content
  if (first?.type !== 'text') throw new Error(`${name} answered no text`)
  if (isError) throw new Error(first.text)
  return JSON.parse(first.text)
}

it('an agent works through the program on its standard streams', async () => {
  expect(client.getInstructions()).toContain('snapshot before')
  const { id: sandbox } = await call('create_sandbox', { name: 'agent' })
  expect(await call('run_command', { sandbox, command: 'cat; echo oops >&2; exit 3', stdin: 'to it\n' })).toEqual({
    exit_code: 3,
    running: false,
    stdout: 'to it\n',
    stderr: 'oops\n',
  })
  const long = await call('run_command', { sandbox, command: 'seq 1 100000' })
  expect(long.stdout).toMatch(/^1\n2\n[\d\n]+… \d+ bytes left out …[\d\n]+\n100000\n$/)
  expect(long.stdout.length).toBeLessThan(25_000)
  expect(await call('run_command', { sandbox, command: 'sleep 60', timeout_seconds: 1 })).toMatchObject({
    timed_out: true,
  })

  const count = 'import time\nn = 0\nwhile True:\n  n += 1; print(n, flush=True); time.sleep(0.05)\n'
  await call('write_file', { sandbox, path: '/home/user/count.py', content: count })
  const { process } = await call('run_command', { sandbox, command: 'python3 /home/user/count.py', background: true })
  const counted = async (of: string) => {
    const { stdout, running } = await call('read_output', { sandbox: of, process })
    expect(running).toBe(true)
    return Number(stdout.trim().split('\n').at(-1) || 0)
  }
  await expect.poll(() => counted(sandbox), PATIENT).toBeGreaterThan(2)
  const { id: snapshot } = await call('take_snapshot', { sandbox, name: 'counting' })
  const before = await counted(sandbox)
  const { sandboxes } = await call('fork_sandbox', { sandbox, count: 1 })
  for (const fork of sandboxes) await expect.poll(() => counted(fork.id), PATIENT).toBeGreaterThan(before)
  await call('write_file', { sandbox, path: '/home/user/count.py', content: 'broken' })
  expect(await call('compare', { before: { snapshot }, after: { sandbox }, path: '/home/user/count.py' })).toEqual({
    outcome: 'text',
    unified: expect.stringContaining('\n-import time\n'),
  })
  await call('run_command', { sandbox, command: 'mkdir /home/user/new; touch /home/user/new/file' })
  const { added, changed, processes } = await call('compare', {
    before: { snapshot },
    after: { sandbox },
    path: '/home',
  })
  expect([added, changed]).toEqual([['/home/user/new', '/home/user/new/file'], ['/home/user/count.py']])
  expect(processes).toEqual({ started: [], ended: [] })
  await call('roll_back', { sandbox, snapshot })
  expect((await call('read_file', { sandbox, path: '/home/user/count.py' })).content).toBe(count)
  await expect.poll(() => counted(sandbox), PATIENT).toBeGreaterThan(before)

  await call('stop_process', { sandbox, process })
  await expect.poll(async () => (await call('read_output', { sandbox, process })).running, PATIENT).toBe(false)
  await expect(call('read_file', { sandbox, path: '/none' })).rejects.toThrow(/^guest_error: /)
  for (const each of [sandbox, ...sandboxes.map((fork: { id: string }) => fork.id)])
    await call('delete_sandbox', { sandbox: each })
  await expect(call('run_command', { sandbox, command: 'true' })).rejects.toThrow(/^not_found: /)
})
