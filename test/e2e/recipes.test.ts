import { gzipSync } from 'node:zlib'
import { tarOf } from '@spawnpoint/contracts'
import type { BuildImage, BuildStep, Image, Recipe } from 'spawnpoint'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await World.start()
})
afterAll(() => world[Symbol.asyncDispose]())

let count = 0

function build(recipe: Partial<Recipe>, request: Partial<BuildImage> = {}): Promise<Image> {
  count += 1
  const source: Recipe = { type: 'recipe', from: 'base', steps: [], ...recipe }
  return world.client.images.build({ name: `built-${count}`, ...request, source })
}

async function logOf(ref: string): Promise<string[]> {
  const lines: string[] = []
  for await (const { step, message } of world.client.images.log(ref)) lines.push(`${step} ${message}`)
  return lines
}

async function output(image: Image, command: string): Promise<string> {
  await using sandbox = await world.client.sandboxes.create({ image: image.id })
  return (await sandbox.run(command, { check: true })).stdout.trim()
}

const asRoot = (command: string): BuildStep => ({ type: 'run', command, user: 'root' })

describe('steps', () => {
  it('run as whom, where and with what earlier ones said, and their files are the image', async () => {
    const image = await build(
      {
        steps: [
          asRoot('mkdir -p /srv/app && chown user /srv/app'),
          { type: 'workdir', path: '/srv/app' },
          { type: 'env', env: { COLOUR: 'dark green', PATH: '/srv/app/bin:/usr/bin:/bin' } },
          { type: 'run', command: 'mkdir bin; printf "#!/bin/sh\\necho tool here\\n" > bin/tool; chmod +x bin/tool' },
          { type: 'run', command: 'tool; id -un; pwd; echo "$COLOUR" | tee colour; echo oops >&2' },
          { type: 'user', user: 'nobody' },
          { type: 'run', command: 'id -un; echo left > /tmp/left' },
          { type: 'run', command: 'cat /tmp/left' },
        ],
      },
      { tags: ['default', 'v1'], resources: { memoryBytes: 2 ** 30 } },
    )
    expect(image).toMatchObject({
      state: 'ready',
      startsFromMemory: false,
      defaults: { user: 'nobody', workdir: '/srv/app', env: { COLOUR: 'dark green' } },
      tags: expect.arrayContaining([`${image.name}:v1`]),
    })
    const log = await logOf(image.id)
    expect(log.filter((line) => line.startsWith('5 ')).slice(1)).toEqual(
      expect.arrayContaining(['5 tool here', '5 user', '5 /srv/app', '5 dark green', '5 oops']),
    )
    expect(log).toContain('7 nobody')
    expect(log).toContain('8 left')
    await using sandbox = await world.client.sandboxes.create({ from: `${image.name}:v1` })
    expect(sandbox.info.resources.memoryBytes).toBe(2 ** 30)
    expect((await sandbox.run('id -un; pwd; cat colour; bin/tool')).stdout).toBe(
      'nobody\n/srv/app\ndark green\ntool here\n',
    )
  })

  it('are not run again by a later build, unless they are forced', async () => {
    const steps = [asRoot('od -An -N8 -tx8 /dev/urandom > /number'), asRoot('cp /number /copy')]
    const first = await build({ steps })
    const number = await output(first, 'cat /number')
    const second = await build({ steps })
    expect(await output(second, 'cat /number /copy')).toBe(`${number}\n ${number}`)
    expect((await logOf(second.id)).filter((line) => line.includes('cached'))).toHaveLength(2)
    const third = await build({ steps: [...steps, asRoot('test "$(cat /number)" = "$(cat /copy)"')] })
    expect(await output(third, 'cat /number')).toBe(number)
    const forced = await build({ steps, force: true })
    expect(await output(forced, 'cat /number')).not.toBe(number)
    expect((await world.client.snapshots.list().toArray()).length).toBe(0)
    expect((await world.client.sandboxes.list().toArray()).length).toBe(0)
  })

  it('that fail name themselves, and the log says why', async () => {
    const name = `fails-${count}`
    const failing = build({ steps: [asRoot('true'), asRoot('echo reason; ls /nowhere')] }, { name })
    await expect(failing).rejects.toMatchObject({ code: 'build_failed' })
    const [image] = await world.client.images.list({ name }).toArray()
    expect(image).toMatchObject({ state: 'failed', failure: 'Step 2 failed with exit code 2' })
    const log = await logOf(image?.id ?? '')
    expect(log).toContain('2 reason')
    expect(log.some((line) => line.includes('/nowhere'))).toBe(true)
    expect(log.at(-1)).toBe('2 Step 2 failed with exit code 2')
  })

  it('see no other team’s uploads, and hold none of the host’s files', async () => {
    await expect(
      build({ steps: [{ type: 'copy', blob: `sha256:${'0'.repeat(64)}`, source: '.', destination: '/' }] }),
    ).rejects.toMatchObject({ code: 'invalid_argument' })
  })
})

describe('copies', () => {
  const ARCHIVE = gzipSync(
    tarOf([
      { name: 'app', type: 'directory' },
      { name: 'app/main.sh', data: '#!/bin/sh\necho main\n', mode: 0o755 },
      { name: 'app/lib/data', data: Buffer.alloc(3_000_000, 'd') },
      { name: 'app/link', type: 'symlink', target: 'lib/data' },
      { name: 'README', data: 'not copied' },
    ]),
  )

  it('come with owner and mode, where the destination says', async () => {
    const blob = await world.client.blobs.upload(ARCHIVE)
    expect(await world.client.blobs.has(blob)).toBe(true)
    const stage = await build({
      steps: [
        { type: 'copy', blob, source: 'app', destination: '/srv/app', user: 'nobody' },
        { type: 'copy', blob, source: 'app/*.sh', destination: '/opt/bin', user: 'root', mode: 0o700 },
        { type: 'workdir', path: '/home/user/work' },
        { type: 'copy', blob, source: 'README', destination: 'notes' },
        asRoot('/srv/app/main.sh && ! test -e /srv/README'),
      ],
    })
    const shown = await output(
      stage,
      'stat -c "%n %U %a" /srv/app /srv/app/main.sh /srv/app/link /opt/bin/main.sh notes; wc -c < /srv/app/link',
    )
    expect(shown.split('\n')).toEqual([
      '/srv/app nobody 755',
      '/srv/app/main.sh nobody 755',
      '/srv/app/link nobody 777',
      '/opt/bin/main.sh root 700',
      'notes user 644',
      '3000000',
    ])
  })

  it('come out of other images too', async () => {
    const blob = await world.client.blobs.upload(ARCHIVE)
    const stage = await build({ steps: [{ type: 'copy', blob, source: 'app', destination: '/srv/app' }] })
    const final = await build({
      steps: [{ type: 'copy', fromImage: stage.name, source: '/srv/app', destination: '/app/', user: 'user' }],
    })
    expect(await output(final, '/app/main.sh; stat -c "%U %s" /app/lib/data; ls /srv')).toBe('main\nuser 3000000')
  })

  it.each([
    ['paths with ..', [{ name: '../../../../etc/hostile', data: 'x' }]],
    ['absolute paths', [{ name: '/etc/hostile', data: 'x' }]],
    [
      'absolute links written through',
      [
        { name: 'in', type: 'symlink' as const, target: '/etc' },
        { name: 'in/hostile', data: 'x' },
      ],
    ],
    ['hard links to what is outside', [{ name: 'in', type: 'link' as const, target: '/etc/shadow' }]],
  ])('of hostile archives, with %s, touch nothing', async (_, files) => {
    const blob = await world.client.blobs.upload(tarOf(files))
    const steps: BuildStep[] = [{ type: 'copy', blob, source: '.', destination: '/srv/in' }]
    const name = `hostile-${count}`
    await expect(build({ steps }, { name })).rejects.toMatchObject({ code: 'invalid_argument' })
    // Nothing is left either: the next build finds the same files as before.
    const image = await build({ steps: [asRoot('! test -e /etc/hostile')] })
    expect(image.state).toBe('ready')
  })

  it('of a whole tree of links stay in the sandbox', async () => {
    const blob = await world.client.blobs.upload(
      tarOf([
        { name: 'shadow', type: 'symlink', target: '/etc/shadow' },
        { name: 'up', type: 'symlink', target: '../../../../../../etc' },
        { name: 'proc', type: 'symlink', target: '/proc/1/root' },
      ]),
    )
    const image = await build({
      steps: [
        { type: 'copy', blob, source: '.', destination: '/srv/links' },
        asRoot('cat /srv/links/shadow > /srv/read; ls /srv/links/up > /srv/listed'),
      ],
    })
    expect(await output(image, 'readlink /srv/links/shadow /srv/links/up')).toBe('/etc/shadow\n../../../../../../etc')
  })
})

describe('a start command', () => {
  // Holds a number that exists nowhere but in its memory.
  const PROGRAM = `
import http.server, os, random, threading
token = str(random.random())
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f'{token} {os.getpid()}'.encode()
        self.send_response(200); self.send_header('Content-Length', str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *args): pass
print('listening', flush=True)
http.server.ThreadingHTTPServer(('127.0.0.1', 8000), Handler).serve_forever()
`
  const ask = async (sandbox: { fetch(port: number, path: string): Promise<Response> }) =>
    (await sandbox.fetch(8000, '/')).text()

  const readyCommand = 'curl -sf http://127.0.0.1:8000/ > /dev/null'

  let image: Image
  beforeAll(async () => {
    const blob = await world.client.blobs.upload(tarOf([{ name: 'serve.py', data: PROGRAM }]))
    image = await build({
      steps: [{ type: 'copy', blob, source: 'serve.py', destination: '/srv/' }],
      startCommand: 'exec python3 /srv/serve.py',
      readyCommand,
    })
  })

  it('runs already in every sandbox, with its memory', async () => {
    expect(image).toMatchObject({ startsFromMemory: true, state: 'ready' })
    expect(await logOf(image.id)).toContain('finalize listening')
    await using one = await world.client.sandboxes.create({ image: image.id })
    await using two = await world.client.sandboxes.create({ image: image.id, env: { MORE: 'yes' } })
    const answer = await ask(one)
    expect(answer).toMatch(/^0\.\d+ \d+$/)
    expect(await ask(two)).toBe(answer)
    expect((await two.run('echo $MORE; hostname')).stdout).toBe(`yes\n${two.id}\n`)
    expect(one.info).toMatchObject({ generation: 1, sourceSnapshotId: null })
    expect(await world.client.snapshots.list().toArray()).toEqual([])
  })

  it('runs anew in a sandbox that boots', async () => {
    await using warm = await world.client.sandboxes.create({ image: image.id })
    await using cold = await world.client.sandboxes.create({ image: image.id, cold: true })
    await expect.poll(() => ask(cold).catch(() => '')).toMatch(/^0\./)
    expect(await ask(cold)).not.toBe(await ask(warm))
  })

  it('is inherited by images on top, which live on without it', async () => {
    const parent = await build({ from: image.id, steps: [asRoot('echo parent > /parent')], readyCommand })
    await using before = await world.client.sandboxes.create({ image: parent.id })
    const child = await build({ from: parent.id, steps: [asRoot('cp /parent /child')], readyCommand })
    await world.client.images.delete(parent.id)
    expect(await ask(before)).toMatch(/^0\./)
    await using after = await world.client.sandboxes.create({ image: child.id })
    expect(await ask(after)).toMatch(/^0\./)
    expect((await after.run('cat /child')).stdout).toBe('parent\n')
  })

  it('that fails, fails the build', async () => {
    await expect(build({ startCommand: 'echo broken; exit 4', readyCommand: 'sleep 1; false' })).rejects.toMatchObject({
      code: 'build_failed',
    })
  })
})

it('a build whose server dies is undone at the next start, and the next build goes on from its layers', async () => {
  const steps = [asRoot('od -An -N8 -tx8 /dev/urandom > /number'), asRoot('sleep 1; echo done > /done')]
  const name = `cut-off-${count}`
  world.crashAt('image.build.image')
  const building = build({ steps }, { name }).catch(() => null)
  expect(await world.diedDuring(building)).toBe(true)
  await world.startServer()
  expect(world.incarnations()).toEqual([])
  const [failed] = await world.client.images.list({ name }).toArray()
  expect(failed).toMatchObject({ state: 'failed' })
  const image = await build({ steps })
  expect((await logOf(image.id)).filter((line) => line.includes('cached'))).toHaveLength(2)
  expect(await output(image, 'cat /done')).toBe('done')
})
