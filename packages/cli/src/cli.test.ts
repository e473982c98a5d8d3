import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Sandbox } from 'spawnpoint'
import { openServerWorld } from 'spawnpoint/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CliWorld, openCliWorld } from './testing/cli-world.ts'
import { RunningCli } from './testing/run-cli.ts'

let world: CliWorld
let directory: string
let box: Sandbox

beforeAll(async () => {
  world = await openCliWorld()
  ;({ directory, box } = world)
})
afterAll(() => world[Symbol.asyncDispose]())

const start = (...args: string[]) => world.start(...args)
const cli = (...args: string[]) => world.cli(...args)
const out = (...args: string[]) => world.out(...args)

describe('the command line', () => {
  test('help and version are no errors; what it does not know is status 2', async () => {
    expect(await cli('--version')).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
    expect((await cli('--help')).stdout).toContain('spawnpoint sandbox create base')
    expect((await cli('sandbox', '--help')).stdout).toContain('exec [options] <sandbox> <command...>')
    expect((await cli('help', 'sandbox', 'fork')).stdout).toContain('Usage: spawnpoint sandbox fork')
    const unknown = await cli('help', 'nope')
    expect(unknown).toMatchObject({ status: 2, stdout: '' })
    expect(unknown.stderr).toContain("error: unknown command 'nope'")
    expect((await cli('sandbox', 'help', 'teleport')).stderr).toContain("error: unknown command 'teleport'")
    expect(await cli('sandbox', 'teleport')).toMatchObject({ status: 2, stdout: '' })
    const missing = await cli('snapshot', 'create')
    expect(missing.status).toBe(2)
    expect(missing.stderr).toContain("missing required argument 'sandbox'")
    expect((await cli('sandbox', 'create', 'base', '--timeout', 'soon')).stderr).toContain("'soon' is not a duration")
    const wrong = await cli('sandbox', 'list', '--nope', '--json')
    expect([wrong.status, JSON.parse(wrong.stderr)]).toEqual([
      2,
      { error: { code: 'usage', message: "unknown option '--nope' (Did you mean --name?)" } },
    ])
  })

  test('errors say what to do, on stderr, with status 1', async () => {
    const { status, stdout, stderr } = await cli('sandbox', 'show', 'nobody')
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toBe('spawnpoint: No such sandbox: nobody\nSee what there is with: spawnpoint sandbox list\n')
    const elsewhere = await cli('sandbox', 'list', '--url', `${world.server.url}/v1`)
    expect(elsewhere.stderr).toContain('without a path?')
    expect((await cli('sandbox', 'create', 'base', '-n', 'box')).stderr).toContain('spawnpoint sandbox rm box')
    expect((await cli('sandbox', 'create', 'base', '--allow', '1.2.3')).stderr).toContain('Expected an address or CIDR')
    expect((await cli('sandbox', 'create', 'base', '--schedule', 'x')).stderr).toContain('Expected five fields')
    const empty = await cli('secret', 'set', 'NOTHING', '--stdin')
    expect([empty.status, empty.stderr]).toEqual([2, 'spawnpoint: --stdin: stdin has no secret\n'])
    expect((await cli('secret', 'set', 'NOTHING')).stderr).toContain('ask for the secret; use --stdin')
    const json = await cli('sandbox', 'show', 'nobody', '--json')
    expect(JSON.parse(json.stderr)).toMatchObject({ error: { code: 'not_found', context: { ref: 'nobody' } } })
  })

  test('the key comes from the environment, or for a local server from its data directory', async () => {
    await writeFile(join(directory, 'admin.key'), `${world.server.key}\n`, { mode: 0o600 })
    const SPAWNPOINT_URL = world.server.url
    const local = new RunningCli(['key', 'list'], { SPAWNPOINT_URL, SPAWNPOINT_DATA_DIR: directory })
    expect((await local.finish()).status).toBe(0)
    const without = await new RunningCli(['key', 'list'], {
      SPAWNPOINT_URL,
      SPAWNPOINT_DATA_DIR: '/nonexistent',
    }).finish()
    expect(without.status).toBe(2)
    expect(without.stderr).toContain('set SPAWNPOINT_API_KEY')
    expect(without.stderr).toContain('/nonexistent/admin.key is not there: no server has started yet')
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
    const network = ['--deny', '10.0.0.0/8', '--precedence', 'allow']
    await out('sandbox', 'create', 'base', '-n', 'policed', ...policies, ...network)
    const change = ['--no-auto-resume', '--delete-after', '7d', '--port-ingress', '80=closed', '--host-header', 'here']
    change.push('--tls-port', '8443')
    await out('sandbox', 'update', 'policed', ...change, '-e', 'A=1', '--timeout', '1h', '--extend-only')
    expect(JSON.parse(await out('sandbox', 'show', 'policed', '--json'))).toMatchObject({
      timeout: { onTimeout: 'stop', autoResume: false, deleteAfterMs: 7 * 86_400_000 },
      ingress: { default: 'token', ports: { 80: 'closed' }, hostHeader: 'here', tlsPorts: [8443] },
      env: { A: '1' },
      network: { deny: ['10.0.0.0/8'], precedence: 'allow', internet: true },
      expiresAt: null, // it never ended, which is later than in an hour
    })
    expect(await out('sandbox', 'show', 'policed')).toMatch(/^ingress: +token 80=closed, host here$/m)
  })

  test('are not made with policies that are none', async () => {
    for (const wrong of [
      ['--on-timeout', 'sleep'],
      ['--precedence', 'none'],
      ['--tls-port', 'https'],
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
    expect(await out('snapshot', 'check', 'point')).toBe('It is as it was written.\n')
    expect(await out('snapshot', 'drill', 'point')).toMatch(/^A sandbox started/)
    const failing = await cli('snapshot', 'drill', 'point', '--', 'false')
    expect([failing.status, failing.stdout]).toEqual([1, 'Drill: The probe ended with exit code 1\n'])
    expect(await out('snapshot', 'show', 'point')).toMatch(/^wrong: +Drill: /m)
    expect(await out('storage', '--json')).toBe('null\n')
  })

  test('are snapshotted for what has another environment and disk', async () => {
    await out('snapshot', 'create', 'box', '-n', 'larger', '-e', 'A=1', '--disk', '6G', '--with-credentials')
    expect(await out('snapshot', 'show', 'larger')).toMatch(/^disk: +6\.0 GiB\nenv: +A=1$/m)
    const spawned = (await out('snapshot', 'spawn', 'larger')).trim()
    expect(await out('sandbox', 'show', spawned)).toMatch(/^disk: .*6\.0 GiB$/m)
    await out('sandbox', 'rm', spawned)
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

describe('the rest', () => {
  test('schedules', async () => {
    const id = (
      await out('schedule', 'create', 'box', '*/30 * * * *', '--kind', 'filesystem', '--keep-daily', '7')
    ).trim()
    expect(await out('schedule', 'list', '--sandbox', 'box')).toMatch(
      new RegExp(`^${id} .*filesystem  7 daily  -`, 'm'),
    )
    const shown = await out('schedule', 'show', id)
    expect(shown).toContain('*/30 * * * *\n')
    expect(shown).toMatch(/^keeps: +.*7 daily/m)
    expect(shown).toMatch(/^next: +\d{4}-/m)
    await out('schedule', 'update', id, '--no-enable', '--keep-daily', 'all', '--keep-last', '2')
    const [changed] = JSON.parse(await out('schedule', 'list', '--json'))
    expect(changed).toMatchObject({ enabled: false, cron: '*/30 * * * *', keep: { daily: null, last: 2 } })
    expect((await cli('schedule', 'update', id)).status).toBe(2)
    expect((await cli('schedule', 'create', 'box', '* * *')).status).toBe(1)
    await out('schedule', 'rm', id)
    expect(await out('schedule', 'list', '--json')).toMatch(/^\[\]/)
  })

  test('schedules that a sandbox has from its first moment', async () => {
    const times = ['--schedule', '0 * * * *', '--schedule-kind', 'filesystem', '--schedule-timezone', 'Europe/Berlin']
    const keep = ['--schedule-keep', '4', '--schedule-keep', 'daily=7']
    const id = (await out('sandbox', 'create', 'base', ...times, ...keep)).trim()
    const [schedule] = JSON.parse(await out('schedule', 'list', '--sandbox', id, '--json'))
    expect(schedule).toMatchObject({
      cron: '0 * * * *',
      kind: 'filesystem',
      timeZone: 'Europe/Berlin',
      keep: { last: 4, hourly: null, daily: 7 },
      enabled: true,
    })
    await out('snapshot', 'create', id, '-n', 'hourly')
    const spawned = (await out('snapshot', 'spawn', 'hourly', '--schedule', '30 * * * *')).trim()
    expect(await out('schedule', 'list', '--sandbox', spawned)).toMatch(/30 \* \* \* \* +UTC +memory +all/)
    for (const wrong of [
      ['--schedule-kind', 'memory'],
      ['--schedule', '0 * * * *', '--schedule-kind', 'disk'],
      ['--schedule', '0 * * * *', '--schedule-keep', 'yearly=2'],
      ['--schedule', '0 * * * *', '--schedule-keep', 'some'],
    ])
      expect(await cli('sandbox', 'create', 'base', ...wrong)).toMatchObject({ status: 2, stdout: '' })
    await out('sandbox', 'rm', id, spawned)
  })

  test('tags of snapshots', async () => {
    const id = (await out('snapshot', 'create', 'box', '-n', 'tagged', '-l', 'kind=tagged', '--ttl', 'never')).trim()
    expect(await out('snapshot', 'tag', 'tagged', 'tagged:v1', 'other:v1')).toBe('tagged:v1\nother:v1\n')
    expect(await out('snapshot', 'show', 'other:v1')).toMatch(new RegExp(`^id: +${id}$`, 'm'))
    expect(await out('snapshot', 'tag', '-d', id, 'other:v1')).toBe('other:v1\n')
    expect((await cli('snapshot', 'show', 'other:v1')).status).toBe(1)
    expect((await cli('snapshot', 'tag', id, 'tagged:v2', 'v3')).status).toBe(2)
    expect((await cli('snapshot', 'show', 'tagged:v2')).status).toBe(1)
    expect(await out('snapshot', 'list', '-q', '--label', 'kind=tagged')).toBe(`${id}\n`)
    expect(JSON.parse(await out('snapshot', 'list', '-q', '--json', '--label', 'kind=tagged'))).toEqual([id])
  })

  test('volumes', async () => {
    const id = (await out('volume', 'create', 'data', '--size', '1G')).trim()
    expect(await out('volume', 'show', 'data')).toMatch(/^used: +.* of 1\.0 GiB$/m)
    await out('volume', 'resize', 'data', '2G')
    expect(await out('volume', 'show', 'data')).toMatch(/^used: +.* of 2\.0 GiB$/m)
    expect((await cli('volume', 'resize', 'data', '1')).status).toBe(1)
    expect(await out('volume', 'list', '--name', 'dat')).toContain(id)
    expect((await cli('volume', 'list', '--name', 'other')).stdout).toBe('')
    const spawned = (await out('snapshot', 'spawn', 'tagged', '--cold', '--volume', 'data:/data:ro')).trim()
    const shown = JSON.parse(await out('sandbox', 'show', spawned, '--json'))
    expect(shown.volumes).toEqual([{ volumeId: id, path: '/data', readOnly: true }])
    await out('sandbox', 'rm', spawned)
  })

  test('files of elsewhere', async () => {
    const { host } = world.server
    host.repositories.set('https://git.test/app.git#main', { files: { a: '1' } })
    host.buckets.set('s3:numbers/of/2026', { files: { b: '2' } })
    const remotes = ['/srv/app=https://git.test/app.git#main', '/srv/data=s3://numbers/of/2026?region=eu-west-1']
    const id = (await out('sandbox', 'create', 'base', ...remotes.flatMap((one) => ['--remote', one]))).trim()
    expect(await out('sandbox', 'show', id)).toMatch(
      /^remotes: +\/srv\/app: git https:\/\/git.test\/app.git at [0-9a-f]{12}, \/srv\/data: s3 numbers\/of\/2026 at /m,
    )
    const snapshot = (await out('snapshot', 'create', id, '--kind', 'filesystem', '--with-remotes')).trim()
    host.buckets.set('s3:numbers/of/2026', { files: { b: '3' } })
    const spawned = (await out('snapshot', 'spawn', snapshot)).trim()
    await out('sandbox', 'cp', `${spawned}:/srv/data/b`, join(directory, 'b'))
    expect(await readFile(join(directory, 'b'), 'utf8')).toBe('3')
    for (const one of [id, spawned]) await out('sandbox', 'rm', one)
  })

  test('keys', async () => {
    const secret = (await out('key', 'create', 'ci')).trim()
    const [key] = JSON.parse(await out('key', 'list', '--json')).filter(({ name }: { name: string }) => name === 'ci')
    const env = { SPAWNPOINT_URL: world.server.url, SPAWNPOINT_API_KEY: secret }
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
