import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { Spawnpoint } from 'spawnpoint'
import { openServerWorld, type ServerWorld } from 'spawnpoint/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LAUNCHER } from './testing/run-cli.ts'

let world: ServerWorld

beforeAll(async () => {
  world = await openServerWorld()
  await new Spawnpoint({ url: world.url, apiKey: world.key }).sandboxes.create({ image: 'base', name: 'box' })
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
})

/** A real terminal of 90 by 20 in which a person types; script(1) makes it. Afterwards it says how it was left. */
class Terminal {
  readonly #child
  #shown = ''
  readonly closed: Promise<unknown>

  constructor(...args: string[]) {
    const command = `tty; stty cols 90 rows 20; ${LAUNCHER} ${args.join(' ')}; echo "status=$?"; stty -a`
    this.#child = spawn('script', ['-qec', command, '/dev/null'], {
      env: { PATH: process.env.PATH, SPAWNPOINT_URL: world.url, SPAWNPOINT_API_KEY: world.key, TERM: 'xterm' },
    })
    this.#child.stdout.setEncoding('utf8').on('data', (text) => {
      this.#shown += text
    })
    this.closed = once(this.#child, 'close')
  }

  get shown(): string {
    return this.#shown
  }

  type(text: string): void {
    this.#child.stdin.write(text)
  }

  async shows(text: string): Promise<void> {
    let open = true
    void this.closed.then(() => {
      open = false
    })
    while (!this.#shown.includes(text)) {
      if (!open) throw new Error(`It never showed ${text}: ${this.#shown}`)
      await Promise.race([once(this.#child.stdout, 'data'), this.closed])
    }
  }

  async resize(cols: number, rows: number): Promise<void> {
    const device = /\/dev\/pts\/\d+/.exec(this.#shown)?.[0] ?? ''
    await promisify(execFile)('stty', ['-F', device, 'cols', String(cols), 'rows', String(rows)])
  }

  end(): void {
    this.#child.stdin.end()
    this.#child.kill()
  }

  /** The terminal is as it was: lines, echo, signals. */
  expectRestored(): void {
    for (const flag of ['icanon', 'echo', 'isig', 'icrnl', 'opost'])
      expect(this.#shown).toMatch(new RegExp(`[ \\n]${flag}[ ;\\r]`))
  }
}

test('has the size of the terminal, follows it, and gives it back', async () => {
  const terminal = new Terminal('sandbox', 'shell', 'box', 'terminal-size')
  await terminal.shows('90x20')
  await terminal.resize(101, 33)
  await terminal.shows('101x33')
  const sandbox = await new Spawnpoint({ url: world.url, apiKey: world.key }).sandboxes.get('box')
  await (await sandbox.processes.get((await sandbox.processes.list())[0]?.id ?? '')).kill('SIGINT')
  await terminal.shows('status=130')
  await terminal.shows('flusho')
  terminal.end()
  terminal.expectRestored()
})

test('every key reaches the program, and its status comes back', async () => {
  const terminal = new Terminal('sandbox', 'shell', 'box', 'sh')
  await terminal.shows('/dev/pts')
  terminal.type('echo typed-here\n')
  await terminal.shows('typed-here')
  terminal.type('exit 7\n')
  await terminal.shows('status=7')
  await terminal.shows('flusho')
  terminal.end()
  terminal.expectRestored()
})

test('Enter ~ . leaves it running', async () => {
  const terminal = new Terminal('sandbox', 'shell', 'box', 'counter')
  await terminal.shows('\n3')
  terminal.type('\r~.')
  await terminal.shows('Left it running')
  await terminal.shows('status=0')
  await terminal.shows('flusho')
  terminal.end()
  terminal.expectRestored()
})

test('the terminal is given back when the sandbox ends', async () => {
  const client = new Spawnpoint({ url: world.url, apiKey: world.key })
  const sandbox = await client.sandboxes.create({ image: 'base', name: 'short' })
  const terminal = new Terminal('sandbox', 'shell', 'short', 'counter')
  await terminal.shows('\n3')
  await sandbox.kill()
  await terminal.shows('status=1')
  await terminal.shows('flusho')
  terminal.end()
  terminal.expectRestored()
})
