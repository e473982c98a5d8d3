import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { useLauncher } from '@spawnpoint/host-commands'
import { pino } from 'pino'
import { type Sandbox, Spawnpoint } from 'spawnpoint'
import { optionsOf } from './arguments.ts'
import { configFrom, type ServerConfig } from './config.ts'
import { explain } from './explain.ts'
import { KNOWN_IMAGES, type KnownImage } from './known-images.ts'
import { LogFile } from './log-file.ts'
import { type RunningServer, startServer } from './server.ts'
import { Show } from './show.ts'

/** Holds its state in memory and nowhere else: a number that a thread counts up, told over HTTP and changed by it. */
const PROGRAM = `
import http.server, threading, time
count = 0
def tick():
    global count
    while True:
        count += 1
        time.sleep(0.02)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global count
        if self.path.startswith('/add/'): count += int(self.path[5:])
        body = str(count).encode()
        self.send_response(200); self.send_header('Content-Length', str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *args): pass
threading.Thread(target=tick, daemon=True).start()
print('ready', flush=True)
http.server.ThreadingHTTPServer(('127.0.0.1', 8000), Handler).serve_forever()
`

const FILE = '/home/user/plan.txt'

async function main(): Promise<number> {
  // The first signal ends the step at hand and undoes what was made; a second one ends the process as it is.
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  const show = new Show(stop.signal)
  let config: ServerConfig | null = null
  try {
    const { options, once: onlyOnce, interpreter } = optionsOf(process.argv.slice(2))
    show.text('Spawnpoint')
    config = configFrom(options, process.env)
    const settings = config
    const log = pino({ level: config.logLevel }, new LogFile(`${config.dataDir}/server.log`))
    using _launcher = await useLauncher()
    await using server = await show.step(
      'server started',
      () => startServer(settings, log),
      (started) => `${started.url}, ${started.core.runtime.name} ${started.core.runtime.version}`,
    )
    await demonstrate(show, server, interpreter, stop.signal)
    if (!onlyOnce) await untilStopped(show, stop.signal)
    return 0
  } catch (error) {
    if (stop.signal.aborted && error === stop.signal.reason) {
      process.stderr.write('script/up: stopped; nothing of it runs. Start it again at any time\n')
      return 130
    }
    const known = explain(error, config) ?? (error instanceof Error && 'code' in error ? error.message : null)
    process.stderr.write(`\nscript/up: ${known ?? String((error as Error).stack)}\n`)
    return 1
  }
}

async function demonstrate(
  show: Show,
  server: RunningServer,
  withInterpreter: boolean,
  signal: AbortSignal,
): Promise<void> {
  const client = new Spawnpoint({ url: server.url, apiKey: server.adminKey })
  await buildImage(show, client, 'base', signal)
  if (withInterpreter) await buildImage(show, client, 'code-interpreter-v1', signal)

  await using stack = new AsyncDisposableStack()
  const origin = stack.use(
    await show.step(
      'sandbox from the image',
      () => client.sandboxes.create({ image: 'base' }),
      (sandbox) => sandbox.id,
    ),
  )
  await show.step(
    'program in it: counts in memory, serves HTTP',
    () => startProgram(origin),
    (count) => `count ${count}`,
  )
  await origin.files.write(FILE, 'the first plan\n')

  const snapshot = await show.step(
    'memory snapshot while it runs',
    () => origin.snapshot({ name: 'demo', kind: 'memory' }),
    ({ receipt }) =>
      `stood still ${receipt?.standstillMs.toFixed(0)} ms, ${((receipt?.memoryBytes ?? 0) / 1e6).toFixed(0)} MB of memory`,
  )
  stack.defer(() => snapshot.delete({ permanent: true }))
  const captured = await count(origin)

  const spawned = await show.step(
    'three sandboxes started from it',
    () => snapshot.spawn({ count: 3 }),
    (all) => all.map((one) => one.id).join(' '),
  )
  for (const sandbox of spawned) stack.use(sandbox)
  const [forked] = await show.step(
    'one forked from the running one',
    () => origin.fork(1),
    ([child]) => child?.id ?? '',
  )
  if (forked === undefined) throw new Error('the fork has no child')
  stack.use(forked)

  const all = [origin, ...spawned, forked]
  await show.step(
    'each goes on by itself',
    async () => {
      const before = await Promise.all(all.map(count))
      // Ten thousand is more than the threads count up meanwhile: whoever saw another's number would show it.
      for (const [index, sandbox] of all.entries()) await count(sandbox, (index + 1) * 10_000)
      const after = await Promise.all(all.map(count))
      for (const [index, value] of after.entries()) {
        const gained = value - (before[index] ?? 0)
        const expected = (index + 1) * 10_000
        if (gained < expected || gained >= expected + 10_000)
          throw new Error(`sandbox ${index} gained ${gained}, not about ${expected}`)
      }
      return `captured near ${captured}, then ${before.join(', ')}, then ${after.join(', ')}`
    },
    String,
  )

  await origin.files.write(FILE, 'a worse plan\n')
  await show.step(
    'file changed, then rolled back in place',
    async () => {
      const { id } = origin
      await origin.rollback(snapshot)
      const text = (await origin.files.readText(FILE)).trim()
      const value = await count(origin)
      if (text !== 'the first plan' || origin.id !== id || value >= 10_000)
        throw new Error(`after the rollback: '${text}', count ${value}`)
      return `${id} says '${text}' again, count ${value}`
    },
    String,
  )

  show.text('\nWhat each step took')
  show.table()
  show.text(`
Dashboard ${server.url}/#key=${server.adminKey}
Address   ${server.url}    API reference ${server.url}/v1/docs
API key   ${server.adminKey}${server.domain === null ? '' : `\nDomain    ${server.domain}`}

  import { Spawnpoint } from 'spawnpoint'
  const client = new Spawnpoint({ url: '${server.url}', apiKey: '${server.adminKey.slice(0, 9)}…' })
  await using sandbox = await client.sandboxes.create({ image: 'base' })
  const snapshot = await sandbox.snapshot({ kind: 'memory', name: 'ready' })
  const attempts = await snapshot.spawn({ count: 10 })
`)
}

async function buildImage(show: Show, client: Spawnpoint, name: KnownImage, signal: AbortSignal): Promise<void> {
  await show.step(
    `image '${name}'`,
    async (say) => {
      if ((await client.images.get(name).catch(notYet)) !== null) return 'there already'
      let sizeBytes = 0
      for (const request of KNOWN_IMAGES[name]) {
        const built = await client.images.build(request, {
          signal, // the only step that takes long; that the server closes then ends the build itself
          onProgress: ({ progress }) =>
            progress &&
            say(`${progress.step}${progress.fraction === null ? '' : ` ${Math.round(progress.fraction * 100)} %`}`),
        })
        sizeBytes = built.sizeBytes
      }
      return `${Math.round(sizeBytes / 1e6)} MB`
    },
    String,
  )
}

async function startProgram(sandbox: Sandbox): Promise<number> {
  const process = await sandbox.processes.start(['python3', '-c', PROGRAM], { tag: 'demo' })
  for await (const output of process) if (output.type === 'data' && Buffer.from(output.data).includes('ready')) break
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await count(sandbox)
    } catch (error) {
      if (attempt === 50) throw error
      await wait(50) // the server socket opens right after the word was printed
    }
  }
}

/** The number in the program's memory, after adding to it. */
async function count(sandbox: Sandbox, add = 0): Promise<number> {
  const response = await sandbox.fetch(8000, `/add/${add}`)
  if (!response.ok) throw new Error(`the program answers ${response.status}: ${await response.text()}`)
  return Number(await response.text())
}

async function untilStopped(show: Show, signal: AbortSignal): Promise<void> {
  show.text('Serving until Ctrl-C; sandboxes you start run on after it.')
  if (!signal.aborted) await once(signal, 'abort')
  show.text('\nStopping')
}

function notYet(error: unknown): null {
  if (error instanceof Error && 'code' in error && error.code === 'not_found') return null
  throw error
}

process.exitCode = await main()
