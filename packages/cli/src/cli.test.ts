import { randomUUID } from 'node:crypto'
import { chmod, lstat, mkdir, mkdtemp, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Sandbox, Spawnpoint } from 'spawnpoint'
import { openServerWorld, type ServerWorld } from 'spawnpoint/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Finished, RunningCli } from './testing/run-cli.ts'

let world: ServerWorld
let client: Spawnpoint
let directory: string
let box: Sandbox

beforeAll(async () => {
  world = await openServerWorld()
  client = new Spawnpoint({ url: world.url, apiKey: world.key })
  directory = await mkdtemp(join(process.env.TMPDIR ?? '/tmp', 'spawnpoint-cli-'))
  box = await client.sandboxes.create({ image: 'base', name: 'box' })
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

function start(...args: string[]): RunningCli {
  return new RunningCli(args, { SPAWNPOINT_URL: world.url, SPAWNPOINT_API_KEY: world.key })
}
async function cli(...args: string[]): Promise<Finished> {
  return start(...args).finish()
}
/** Runs it, expects success and returns what it printed. */
async function out(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await cli(...args)
  if (status !== 0) throw new Error(`spawnpoint ${args.join(' ')}: ${status}: ${stderr}`)
  return stdout
}

describe('the command line', () => {
  test('help and version are no errors; what it does not know is status 2', async () => {
    expect(await cli('--version')).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
    expect((await cli('sandbox', '--help')).stdout).toContain('exec [options] <sandbox> <command...>')
    expect(await cli('sandbox', 'teleport')).toMatchObject({ status: 2, stdout: '' })
    const missing = await cli('snapshot', 'create')
    expect(missing.status).toBe(2)
    expect(missing.stderr).toContain("missing required argument 'sandbox'")
    expect((await cli('sandbox', 'create', 'base', '--timeout', 'soon')).stderr).toContain("'soon' is not a duration")
  })

  test('errors say what to do, on stderr, with status 1', async () => {
    const { status, stdout, stderr } = await cli('sandbox', 'show', 'nobody')
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toBe('spawnpoint: No such sandbox: nobody\nSee what there is with: spawnpoint sandbox list\n')
    const json = await cli('sandbox', 'show', 'nobody', '--json')
    expect(JSON.parse(json.stderr)).toMatchObject({ error: { code: 'not_found', context: { ref: 'nobody' } } })
  })

  test('the key comes from the environment, or for a local server from its data directory', async () => {
    await writeFile(join(directory, 'admin.key'), `${world.key}\n`, { mode: 0o600 })
    const SPAWNPOINT_URL = world.url
    const local = new RunningCli(['key', 'list'], { SPAWNPOINT_URL, SPAWNPOINT_DATA_DIR: directory })
    expect((await local.finish()).status).toBe(0)
    const without = await new RunningCli(['key', 'list'], {
      SPAWNPOINT_URL,
      SPAWNPOINT_DATA_DIR: '/nonexistent',
    }).finish()
    expect(without.status).toBe(2)
    expect(without.stderr).toContain('set SPAWNPOINT_API_KEY')
    // The admin key of this machine is nothing to show to another.
    const remote = ['key', 'list', '--url', 'http://192.0.2.1:7300']
    expect(await new RunningCli(remote, { SPAWNPOINT_DATA_DIR: directory }).finish()).toMatchObject({ status: 2 })
    const wrong = await new RunningCli(['key', 'list'], { SPAWNPOINT_URL, SPAWNPOINT_API_KEY: 'sp_wrong' }).finish()
    expect(wrong.status).toBe(1)
    expect(wrong.stderr).toContain('Set SPAWNPOINT_API_KEY to a key of this server')
  })

  test('a server that is not there is told within seconds', async () => {
    const gone = await openServerWorld()
    await gone[Symbol.asyncDispose]()
    const nobody = await new RunningCli(['key', 'list', '--url', gone.url], { SPAWNPOINT_API_KEY: 'k' }).finish()
    expect(nobody.status).toBe(1)
    expect(nobody.stderr).toContain(`No answer from ${gone.url}: nothing listens there`)
    expect(nobody.stderr).toContain('spawnpoint serve')
  })
})

describe('sandboxes', () => {
  test('are made, listed, shown, changed, moved about and killed', async () => {
    const id = (
      await out(
        'sandbox',
        'create',
        'base',
        '-n',
        'mine',
        '-l',
        'a=b',
        '-e',
        'X=1',
        '--timeout',
        '1h',
        '--memory',
        '256M',
      )
    ).trim()
    expect(id).toMatch(/^[0-9a-f]{24}$/)
    const list = await out('sandbox', 'list', '--label', 'a=b')
    expect(list.split('\n')[0]).toMatch(/^ID +NAME +STATE +IMAGE +FROM +CPUS +MEMORY +CREATED +EXPIRES$/)
    expect(list).toMatch(new RegExp(`^${id}  mine  running  base .* 256 MiB  .*  in (59m|1h)`, 'm'))
    const [item] = JSON.parse(await out('sandbox', 'ls', '--name', 'mine', '--json'))
    expect(item).toMatchObject({ id, labels: { a: 'b' }, env: { X: '1' }, resources: { memoryBytes: 256 * 2 ** 20 } })
    expect(await out('sandbox', 'show', 'mine')).toMatch(/^state: +running$/m)
  })

  test('are changed', async () => {
    await out('sandbox', 'update', 'mine', '--name', 'yours', '--timeout', 'never', '--no-internet')
    expect(JSON.parse(await out('sandbox', 'show', 'yours', '--json'))).toMatchObject({
      name: 'yours',
      expiresAt: null,
      network: { internet: false },
    })
    expect((await cli('sandbox', 'update', 'yours')).status).toBe(2)
  })

  test('are made with policies, and with others later', async () => {
    const policies = ['--on-timeout', 'stop', '--auto-resume', '--ingress', 'token']
    await out('sandbox', 'create', 'base', '-n', 'policed', ...policies)
    const change = ['--no-auto-resume', '--delete-after', '7d', '--port-ingress', '80=closed', '--host-header', 'here']
    await out('sandbox', 'update', 'policed', ...change, '-e', 'A=1', '--timeout', '1h', '--extend-only')
    expect(JSON.parse(await out('sandbox', 'show', 'policed', '--json'))).toMatchObject({
      timeout: { onTimeout: 'stop', autoResume: false, deleteAfterMs: 7 * 86_400_000 },
      ingress: { default: 'token', ports: { 80: 'closed' }, hostHeader: 'here' },
      env: { A: '1' },
      expiresAt: null, // it never ended, which is later than in an hour
    })
    expect(await out('sandbox', 'show', 'policed')).toMatch(/^ingress: +token 80=closed, host here$/m)
  })

  test('are not made with policies that are none', async () => {
    for (const wrong of [
      ['--on-timeout', 'sleep'],
      ['--ingress', 'public'],
      ['--port-ingress', '80=yes'],
    ])
      expect((await cli('sandbox', 'update', 'policed', ...wrong)).status).toBe(2)
  })

  test('rest, and come back for as long as they are told', async () => {
    await out('sandbox', 'update', 'policed', '--host-header', 'none', '--delete-after', 'never')
    await out('sandbox', 'pause', 'policed')
    expect(await out('sandbox', 'show', 'policed')).toMatch(/^rests since: /m)
    await out('sandbox', 'resume', 'policed', '--timeout', '2h')
    expect(await out('sandbox', 'show', 'policed')).toMatch(/^expires: +in (1h|2h|119m)$/m)
  })

  test('go back to their origin, and tell their figures and their token', async () => {
    await out('sandbox', 'rollback', 'policed', '--origin')
    expect(await out('sandbox', 'stats', 'policed')).toMatch(/^TIME +CPU +MEMORY +CACHE +DISK\n\S+Z +\d/)
    expect(await out('sandbox', 'token', 'policed')).toMatch(/^spawnpoint-token: [0-9a-f]{64}\n$/)
    expect((await cli('sandbox', 'rollback', 'policed')).status).toBe(2)
    expect((await cli('sandbox', 'rollback', 'policed', 'point', '--origin')).status).toBe(2)
    await out('sandbox', 'rm', 'policed')
  })

  test('are paused and resumed, stopped and started', async () => {
    for (const [verb, state] of Object.entries({
      pause: 'paused',
      resume: 'running',
      stop: 'stopped',
      start: 'running',
    })) {
      expect(await out('sandbox', verb, 'yours')).toBe('yours\n')
      expect(await out('sandbox', 'list', '--name', 'yours')).toContain(state)
    }
  })

  test('are killed', async () => {
    // One that fails does not keep the others from being done.
    const killed = await cli('sandbox', 'rm', 'nobody', 'yours')
    expect(killed).toMatchObject({ status: 1, stdout: 'yours\n' })
    const [ended] = JSON.parse(await out('sandbox', 'list', '--all', '--json', '--label', 'a=b'))
    expect(ended).toMatchObject({ name: 'yours', state: 'killed' })
    expect(await out('sandbox', 'list', '--all', '-q')).toContain(ended.id)
  })

  test('are snapshotted, spawned, forked and rolled back', async () => {
    const created = await cli('snapshot', 'create', 'box', '--name', 'point')
    const snapshot = created.stdout.trim()
    expect(created.stderr).toMatch(/^Stood still for .* of .*; .* newly stored; consistency: \w+\n$/)
    expect(await out('snapshot', 'list')).toMatch(new RegExp(`^${snapshot}  point  memory  ready`, 'm'))
    expect(await out('snapshot', 'show', 'point')).toMatch(/^standstill: +\d/m)
  })

  test('go on from snapshots', async () => {
    const spawned = (await out('snapshot', 'spawn', 'point', '--count', '2')).trim().split('\n')
    const forked = (await out('sandbox', 'fork', 'box', '--count', '2', '-n', 'child')).trim().split('\n')
    expect(await out('sandbox', 'list')).toContain('child-2')
    await out('sandbox', 'rollback', 'box', 'point')
    expect((await out('sandbox', 'rm', ...spawned, ...forked)).trim().split('\n')).toHaveLength(4)
    expect(await out('snapshot', 'rm', '--dry-run', 'point')).toMatch(/^would free: +\S+ .*\ngone: +.*in the trash/m)
    expect(await out('snapshot', 'rm', 'point')).toBe('point\n')
    expect(await out('snapshot', 'list', '--state', 'trashed')).toContain('point')
    expect(await out('snapshot', 'restore', 'point')).toBe('point\n')
    expect(await out('snapshot', 'rm', '--permanent', 'point')).toBe('point\n')
    expect((await cli('snapshot', 'restore', 'point')).stderr).toContain('No such snapshot')
  })
})

describe('exec', () => {
  test('keeps output and errors apart and ends with the status of the program', async () => {
    expect(await cli('sandbox', 'exec', 'box', 'exit', '42', 'to out', 'to err')).toEqual({
      status: 42,
      stdout: 'to out',
      stderr: 'to err',
    })
    // Options after the program are its own, ours come before it.
    expect(await out('sandbox', 'exec', '-e', 'A=1', '-w', '/tmp', 'box', 'echo', '--json', '-n')).toBe('--json -n\n')
    expect(await out('sandbox', 'exec', 'box', '--', 'sh', '-c', 'echo $0; pwd')).toContain('/')
    expect(await cli('sandbox', 'exec', 'box', 'no-such-program')).toEqual({
      status: 127,
      stdout: '',
      stderr: 'spawnpoint: no-such-program: no such program (or working directory) in the sandbox\n',
    })
  })

  test('passes input on to its end', async () => {
    const input = 'line\n'.repeat(50_000)
    const { status, stdout } = await start('sandbox', 'exec', 'box', 'cat').finish(input)
    expect(status).toBe(0)
    expect(stdout === input).toBe(true)
  })

  test('passes signals on', async () => {
    const running = start('sandbox', 'exec', '-n', 'box', 'trap', 'SIGTERM')
    await running.printed('ready')
    running.child.kill('SIGTERM')
    await running.printed('got SIGTERM')
    running.child.kill('SIGINT')
    expect((await running.finished).status).toBe(130)
  })

  test('exec says when the time was over', async () => {
    const { status, stderr } = await cli('sandbox', 'exec', '-n', '--timeout', '1s', 'box', 'trap', 'SIGUSR1')
    expect({ status, stderr }).toEqual({ status: 137, stderr: 'spawnpoint: killed, its --timeout was over\n' })
  })

  test.each([
    ['now and then', ['counter']],
    ['all the time', ['spam', '1000000000', '1']],
  ])('ends quietly, and ends the program that prints %s, when nobody reads any more', async (_, command) => {
    const running = start('sandbox', 'exec', '-n', 'box', ...command)
    await running.printed(/./)
    running.child.stdout.destroy()
    expect(await running.finished).toMatchObject({ status: 141, stderr: '' })
    const ours = (await box.processes.list()).filter(({ args }) => args[0] === command[0])
    expect(ours).toHaveLength(1)
    for (const { id } of ours) expect(await (await box.processes.get(id)).wait()).toMatchObject({ signal: 'SIGPIPE' })
  })

  test('lives through a restart of the server', async () => {
    const running = start('sandbox', 'exec', '-n', 'box', 'counter')
    await running.printed('3\n')
    await world.restart()
    await running.printed('12\n')
    running.child.kill('SIGTERM')
    const { status, stdout } = await running.finished
    expect(status).toBe(143)
    const numbers = stdout.trim().split('\n').map(Number)
    expect(numbers).toEqual(numbers.map((_, i) => i + 1))
  })

  test('detached, it leaves an id; ps and logs show it', async () => {
    const id = (await out('sandbox', 'exec', '-d', 'box', 'counter')).trim()
    expect(await out('sandbox', 'ps', 'box')).toMatch(new RegExp(`^${id} .* running .* counter$`, 'm'))
    const following = start('sandbox', 'logs', '-f', 'box', id)
    await following.printed(/^1\n2\n3\n/)
    expect(await out('sandbox', 'logs', 'box', id)).toMatch(/^1\n2\n3\n/)
    expect(await out('sandbox', 'logs', 'box', id, '--since-offset', '2')).toMatch(/^2\n3\n/)
    await (await box.processes.get(id)).kill('SIGKILL')
    expect((await following.finished).status).toBe(0)
    const [line] = (await out('sandbox', 'logs', 'box', id, '--json')).split('\n')
    expect(JSON.parse(line ?? '')).toMatchObject({ type: 'data', stream: 'stdout', offset: 0, encoding: 'utf8' })
  })

  test('for programs: one piece of JSON per line, the end last', async () => {
    const { stdout, status } = await cli('sandbox', 'exec', '--json', 'box', 'exit', '3', 'o', 'e')
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(status).toBe(3)
    expect(lines.slice(0, -1)).toEqual([
      { type: 'data', stream: 'stdout', offset: 0, data: 'o', encoding: 'utf8' },
      { type: 'data', stream: 'stderr', offset: 0, data: 'e', encoding: 'utf8' },
    ])
    expect(lines.at(-1)).toMatchObject({ type: 'exit', exit: { code: 3 } })
  })
})

describe('cp', () => {
  test('files, both ways, and through stdin and stdout', async () => {
    const here = join(directory, 'file.bin')
    const bytes = Buffer.from(Array.from({ length: 500_000 }, (_, i) => i % 256))
    await writeFile(here, bytes)
    await chmod(here, 0o751)
    await out('sandbox', 'cp', here, 'box:/tmp/files/')
    expect(await box.files.stat('/tmp/files/file.bin')).toMatchObject({ sizeBytes: 500_000, mode: 0o751 })
    await out('sandbox', 'cp', here, 'box:/tmp/files')
    expect(await box.files.list('/tmp/files')).toHaveLength(1)
    await out('sandbox', 'cp', 'box:/tmp/files/file.bin', join(directory, 'back.bin'))
    expect((await readFile(join(directory, 'back.bin'))).equals(bytes)).toBe(true)
    expect((await stat(join(directory, 'back.bin'))).mode & 0o777).toBe(0o751)
    await start('sandbox', 'cp', '-', 'box:/tmp/piped').finish('through a pipe')
    expect(await out('sandbox', 'cp', 'box:/tmp/piped', '-')).toBe('through a pipe')
  })

  test('directories with everything in them', async () => {
    const tree = join(directory, 'tree')
    await mkdir(join(tree, 'sub/empty'), { recursive: true })
    for (let i = 0; i < 20; i += 1) await writeFile(join(tree, `sub/f${i}`), `content ${i}`)
    await writeFile(join(tree, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 })
    await out('sandbox', 'cp', tree, 'box:/tmp/tree')
    expect(await box.files.readText('/tmp/tree/sub/f7')).toBe('content 7')
    expect(await box.files.stat('/tmp/tree/run.sh')).toMatchObject({ mode: 0o755 })
    // The target is there now: the copy goes into it.
    await out('sandbox', 'cp', tree, 'box:/tmp/tree')
    expect(await box.files.exists('/tmp/tree/tree/run.sh')).toBe(true)
    await box.files.remove('/tmp/tree/tree', { recursive: true })
    await out('sandbox', 'cp', `${tree}/sub/.`, 'box:/tmp/only')
    expect(await box.files.list('/tmp/only')).toHaveLength(21)

    const back = join(directory, 'back')
    await out('sandbox', 'cp', 'box:/tmp/tree', back)
    expect(await readFile(join(back, 'sub/f19'), 'utf8')).toBe('content 19')
    expect((await stat(join(back, 'sub/empty'))).isDirectory()).toBe(true)
    expect((await stat(join(back, 'run.sh'))).mode & 0o777).toBe(0o755)
  })

  test('nothing is written through a link', async () => {
    const target = join(directory, 'linked')
    const victim = join(directory, 'victim')
    await mkdir(target)
    await writeFile(victim, 'untouched')
    await symlink(victim, join(target, 'f'))
    await box.files.write('/tmp/evil/f', 'evil')
    await out('sandbox', 'cp', 'box:/tmp/evil/.', target)
    expect(await readFile(victim, 'utf8')).toBe('untouched')
    expect(await readFile(join(target, 'f'), 'utf8')).toBe('evil')
    await rm(join(target, 'f'))
    await mkdir(join(directory, 'elsewhere'))
    await symlink(join(directory, 'elsewhere'), join(target, 'd'))
    await box.files.write('/tmp/evil/d/f', 'evil')
    expect((await cli('sandbox', 'cp', 'box:/tmp/evil/.', target)).stderr).toContain('is in the way')
    expect((await lstat(join(target, 'd'))).isSymbolicLink()).toBe(true)
    expect(await readlink(join(target, 'd'))).toBe(join(directory, 'elsewhere'))
  })

  test('says what is wrong', async () => {
    expect((await cli('sandbox', 'cp', 'a', 'b')).status).toBe(2)
    expect((await cli('sandbox', 'cp', 'box:/a', 'box:/b')).status).toBe(2)
    expect((await cli('sandbox', 'cp', 'box:', 'b')).stderr).toContain('names no path')
    expect((await cli('sandbox', 'cp', join(directory, 'none'), 'box:/tmp')).stderr).toContain('no such file')
    expect((await cli('sandbox', 'cp', 'box:/none', directory)).status).toBe(1)
    expect((await cli('sandbox', 'cp', 'box:/tmp/piped', join(directory, 'no/dir/f'))).stderr).toContain(
      'no such directory',
    )
  })
})

describe('the rest', () => {
  test('images', async () => {
    const built = await cli('image', 'build', 'tools', '--suite', 'bookworm', '-p', 'git')
    expect(built.status).toBe(0)
    const id = built.stdout.trim()
    expect(await out('image', 'list')).toMatch(new RegExp(`^${id}  tools  ready`, 'm'))
    expect(await out('image', 'show', 'tools')).toMatch(/^source: +Debian bookworm git$/m)
    expect(await out('image', 'rm', 'tools')).toBe('tools\n')
    expect((await cli('image', 'build', 'x', '--tar', 'a.tar', '--suite', 'sid')).status).toBe(2)
  })

  describe('images of recipes', () => {
    const recipe = (content: object) => {
      const path = join(directory, `recipe-${randomUUID()}.json`)
      return writeFile(path, JSON.stringify(content)).then(() => path)
    }

    test('take files from here, and run no step twice', async () => {
      const app = join(directory, 'app')
      await mkdir(join(app, 'lib'), { recursive: true })
      await writeFile(join(app, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 })
      await writeFile(join(app, 'lib', 'l'.repeat(120)), 'long')
      await writeFile(join(directory, 'notes'), 'noted')
      const steps = [
        { type: 'copy', local: 'notes', destination: '/srv/renamed' },
        { type: 'run', command: 'cat /srv/renamed' },
        { type: 'copy', local: 'app', source: 'run.sh', destination: '/srv/app/', user: 'root' },
      ]
      const path = await recipe({ from: 'base', steps })
      const built = await cli('image', 'build', 'stepped', '--recipe', path)
      expect(built).toMatchObject({ status: 0, stderr: expect.stringContaining('noted') })
      const sandbox = await client.sandboxes.create({ image: built.stdout.trim() })
      expect(await sandbox.files.stat('/srv/app/run.sh')).toMatchObject({ mode: 0o755, owner: 'root' })
      await sandbox.kill()
      const again = await out('image', 'build', 'stepped', '--recipe', path)
      expect(await out('image', 'log', again.trim())).toContain('[2] cached: run cat /srv/renamed\n')
    })

    test('have tags', async () => {
      const path = await recipe({ from: 'base' })
      const id = (await out('image', 'build', 'tagged', '--recipe', path, '-t', 'default', '-t', 'v1')).trim()
      await out('image', 'tag', id, 'tagged:v2', 'other:v1')
      expect(await out('image', 'list')).toMatch(new RegExp(`^${id}  tagged .*other:v1`, 'm'))
      expect(await out('image', 'show', 'tagged:v2')).toMatch(/^source: +recipe of 0 steps from base$/m)
      await out('image', 'tag', '--delete', 'tagged', 'other:v1')
      expect((await cli('image', 'show', 'other:v1')).status).toBe(1)
      expect((await cli('image', 'tag', 'base', 'no-tag')).status).toBe(2)
    })

    test('say what is wrong', async () => {
      const bad = await recipe({ from: 'base', steps: [{ type: 'run', command: 'exit 3' }] })
      const failed = await cli('image', 'build', 'stepped', '--recipe', bad)
      expect(failed).toMatchObject({ status: 1, stderr: expect.stringContaining('Step 1 failed with exit code 3') })
      const none = await recipe({ steps: [] })
      expect((await cli('image', 'build', 'x', '--recipe', none)).stderr).toContain('is not a recipe')
      expect((await cli('image', 'build', 'x', '--recipe', none, '--suite', 'sid')).status).toBe(2)
      const missing = await recipe({ from: 'base', steps: [{ type: 'copy', local: 'nowhere', destination: '/' }] })
      expect((await cli('image', 'build', 'x', '--recipe', missing)).stderr).toContain('no such file')
    })
  })

  describe('images of Dockerfiles', () => {
    const context = async (dockerfile: string, files: Record<string, string> = {}) => {
      const dir = join(directory, `context-${randomUUID()}`)
      await mkdir(join(dir, 'left', 'out'), { recursive: true })
      for (const [path, content] of Object.entries({ Dockerfile: dockerfile, 'left/out/x': '', ...files }))
        await writeFile(join(dir, path), content)
      return dir
    }

    test('are built step by step, and not twice', async () => {
      const dockerfile =
        'FROM base\nUSER root\nARG WHO\nCOPY . /srv\nRUN echo hello $WHO > /srv/said\nRUN cat /srv/said\n'
      const dir = await context(dockerfile, { '.dockerignore': 'left\nDockerfile\n', a: 'a' })
      const built = await cli('image', 'build', dir, '-t', 'filed:v1', '--build-arg', 'WHO=you')
      expect(built.status).toBe(0)
      const lines = built.stderr.trim().split('\n')
      expect(lines.map((line) => line.replace(/[0-9.]+m?s$/, 'T').replace(/, .*,/, ','))).toEqual([
        '[1/4] FROM base',
        '  DONE T',
        '[2/4] COPY . /srv',
        '  2 entries, 17 bytes',
        '  DONE T',
        '[3/4] RUN echo hello $WHO > /srv/said',
        '  DONE T',
        '[4/4] RUN cat /srv/said',
        '  hello you',
        '  DONE T',
        'Built filed:v1, in T',
      ])
      const sandbox = await client.sandboxes.create({ from: 'filed:v1' })
      expect((await sandbox.files.list('/srv')).map(({ name }) => name)).toEqual(['.dockerignore', 'a', 'said'])
      await sandbox.kill()
      const again = await cli('image', 'build', dir, '-t', 'filed:v1', '--build-arg', 'WHO=you')
      expect(again.stderr).toContain('CACHED [4/4] RUN cat /srv/said\n')
      expect((await cli('image', 'build', dir, '--no-cache')).stderr).not.toContain('CACHED')
      expect(await out('image', 'show', 'filed:v1')).toMatch(/^source: +Dockerfile Dockerfile$/m)
    })

    test('say what is wrong, and where', async () => {
      const dir = await context('FROM base\n\nRUN exit 3\n')
      const failed = await cli('image', 'build', dir)
      expect(failed).toMatchObject({ status: 1, stdout: '' })
      expect(failed.stderr).toContain('   3 | >>> RUN exit 3\n')
      expect(failed.stderr.match(/Dockerfile:3: \[2\/2\] failed with exit code 3/g)).toHaveLength(1)
      await writeFile(join(dir, 'other'), 'FROM base\nBOGUS\n')
      const bad = await cli('image', 'build', dir, '-f', join(dir, 'other'))
      expect(bad).toMatchObject({ status: 1, stderr: expect.stringContaining('other:2: unknown instruction: BOGUS') })
      expect((await cli('image', 'build', join(dir, 'nowhere'))).stderr).toContain('not a directory')
      expect((await cli('image', 'build', join(dir, 'left'))).stderr).toContain('Dockerfile: no such file')
      expect((await cli('image', 'build', 'name', '--no-cache')).status).toBe(2)
      expect((await cli('image', 'build', dir, '-p', 'git')).status).toBe(2)
      expect((await cli('image', 'build', dir, '-t', 'a:1', '-t', 'b:1')).status).toBe(2)
    })
  })

  test('images of our own', async () => {
    expect((await cli('image', 'build', 'base')).status).toBe(0)
    const known = await out('image', 'show', 'base')
    expect(known).toMatch(/^source: +Debian bookworm .*build-essential/m)
    expect(known).toMatch(/^user: +user$/m)
  })

  test('images of registries', async () => {
    const pulled = await cli('image', 'pull', 'ghcr.io/team/tool:1.2', '-e', 'A=b')
    expect(pulled).toMatchObject({ status: 0, stderr: expect.stringMatching(/^Pulled tool, /m) })
    expect(await out('image', 'show', 'tool:1.2')).toMatch(/^source: +ghcr\.io\/team\/tool:1\.2$/m)
    expect(await out('image', 'show', pulled.stdout.trim())).toMatch(/^env: +A=b$/m)

    const named = new RunningCli(['image', 'pull', 'oci:layout', '-n', 'mine', '-u', 'alice', '--password-stdin'], {
      SPAWNPOINT_URL: world.url,
      SPAWNPOINT_API_KEY: world.key,
    })
    expect((await named.finish('wonderland\n')).status).toBe(0)
    expect(await out('image', 'show', 'mine', '--json')).not.toContain('wonderland')
    expect((await cli('image', 'pull', 'oci:Layout')).stderr).toContain('give one with --name')
    expect((await cli('image', 'pull', 'a/b', '-u', 'alice')).stderr).toContain('--password-stdin')
    expect((await cli('image', 'pull', 'a//b')).status).toBe(1)
    for (const name of ['tool', 'mine']) await out('image', 'rm', name)
  })

  test('images to registries', async () => {
    const pushed = await cli('image', 'push', 'base', 'ghcr.io/team/mine:1')
    expect(pushed).toMatchObject({ status: 0, stderr: expect.stringMatching(/^Pushed ghcr\.io\/team\/mine:1, /m) })
    expect(pushed.stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/)
    expect((await cli('image', 'push', 'none', 'ghcr.io/a')).status).toBe(1)
  })

  test('images whose build failed are listed where they are asked for', async () => {
    world.host.faults.failNext('imageBuilder.build')
    expect((await cli('image', 'build', 'broken', '--suite', 'bookworm')).status).toBe(1)
    world.failures.length = 0
    expect(await out('image', 'list')).not.toContain('broken')
    for (const which of [['--all'], ['--state', 'failed']]) {
      expect(await out('image', 'list', ...which)).toMatch(/ broken +failed/)
    }
  })

  test('snapshots to registries and back', async () => {
    const by = await world.core.authenticate(world.key)
    const { id: origin } = await (await world.core.sandboxes.create(by, { image: 'base' })).done
    const { id } = await (await world.core.snapshots.create(by, origin, { kind: 'memory' })).done
    const pushed = await cli('snapshot', 'push', id, 'ghcr.io/team/point:1')
    expect(pushed).toMatchObject({ status: 0, stdout: expect.stringMatching(/^sha256:[0-9a-f]{64}\n$/) })
    const pulled = await cli('snapshot', 'pull', 'ghcr.io/team/point:1', '-n', 'moved')
    expect(pulled).toMatchObject({ status: 0, stderr: expect.stringMatching(/^Pulled moved, /m) })
    expect(pulled.stdout).toMatch(/^[0-9a-f]{24}\n$/)
  })

  test('registries', async () => {
    const env = { SPAWNPOINT_URL: world.url, SPAWNPOINT_API_KEY: world.key }
    const add = (...args: string[]) =>
      new RunningCli(['registry', 'add', ...args, '--password-stdin'], env).finish('wonderland\n')
    expect(await add('ghcr.io/team', '-u', 'alice')).toMatchObject({ status: 0, stdout: 'ghcr.io-team\n' })
    expect(await add('ghcr.io/team', '-u', 'bob')).toMatchObject({ status: 0 })
    expect(await out('registry', 'list')).toMatch(/^ghcr\.io-team {2}https:\/\/ghcr\.io\/team {2}bob /m)
    expect(await out('registry', 'list', '--json')).not.toContain('wonderland')
    expect(await out('registry', 'rm', 'ghcr.io-team')).toBe('ghcr.io-team\n')
  })

  test('schedules', async () => {
    const id = (
      await out('schedule', 'create', 'box', '*/30 * * * *', '--kind', 'filesystem', '--keep-daily', '7')
    ).trim()
    expect(await out('schedule', 'list', '--sandbox', 'box')).toMatch(
      new RegExp(`^${id} .*filesystem  7 daily  -`, 'm'),
    )
    await out('schedule', 'update', id, '--no-enable', '--keep-daily', 'all', '--keep-last', '2')
    const [changed] = JSON.parse(await out('schedule', 'list', '--json'))
    expect(changed).toMatchObject({ enabled: false, cron: '*/30 * * * *', keep: { daily: null, last: 2 } })
    expect((await cli('schedule', 'update', id)).status).toBe(2)
    expect((await cli('schedule', 'create', 'box', '* * *')).status).toBe(1)
    await out('schedule', 'rm', id)
    expect(await out('schedule', 'list', '--json')).toMatch(/^\[\]/)
  })

  test('keys', async () => {
    const secret = (await out('key', 'create', 'ci')).trim()
    const [key] = JSON.parse(await out('key', 'list', '--json')).filter(({ name }: { name: string }) => name === 'ci')
    const env = { SPAWNPOINT_URL: world.url, SPAWNPOINT_API_KEY: secret }
    expect((await new RunningCli(['key', 'list'], env).finish()).status).toBe(0)
    await out('key', 'rm', key.id)
    expect((await new RunningCli(['key', 'list'], env).finish()).status).toBe(1)
  })

  test('operations and events', async () => {
    const operations = JSON.parse(await out('operation', 'list', '--json', '--kind', 'sandbox.create', '--limit', '1'))
    expect(operations).toHaveLength(1)
    expect(await out('operation', 'show', operations[0].id, '-f')).toMatch(/^state: +done$/m)
    expect(await out('events', '--sandbox', 'box')).toContain('sandbox.running')
    const following = start('events', '-f', '--json', '--sandbox', 'box')
    await following.printed('sandbox.running')
    await box.pause()
    await following.printed('sandbox.paused')
    await box.resume()
    following.child.kill('SIGTERM')
    await following.finished
    for (const line of following.stdout.trim().split('\n')) expect(JSON.parse(line).seq).toBeGreaterThan(0)
    expect((await cli('events', '--after', 'now')).status).toBe(2)
  })

  test('no colour into a pipe', async () => {
    expect(await out('sandbox', 'list')).not.toContain('\u001b')
  })
})
