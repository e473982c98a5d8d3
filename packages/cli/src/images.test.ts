import { randomUUID } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Spawnpoint } from 'spawnpoint'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type CliWorld, openCliWorld } from './testing/cli-world.ts'
import { RunningCli } from './testing/run-cli.ts'

let world: CliWorld
let client: Spawnpoint
let directory: string

beforeAll(async () => {
  world = await openCliWorld()
  ;({ client, directory } = world)
})
afterAll(() => world[Symbol.asyncDispose]())

const cli = (...args: string[]) => world.cli(...args)
const out = (...args: string[]) => world.out(...args)

describe('images', () => {
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

    test('are given up while they are built', async () => {
      const path = await recipe({ from: 'base', steps: [{ type: 'run', command: 'sleep 1000' }] })
      const building = cli('image', 'build', 'endless', '--recipe', path)
      const found = async () => (await client.images.list({ name: 'endless' }).toArray())[0]?.id ?? ''
      await expect.poll(found).not.toBe('')
      const id = await found()
      expect(await out('image', 'cancel', id)).toBe(`${id}\n`)
      expect(await building).toMatchObject({ status: 1, stderr: expect.stringContaining('The build was cancelled') })
      expect((await cli('image', 'cancel', 'base')).status).toBe(1)
    })

    test('go on at the server when the command line is interrupted, which is said', async () => {
      const path = await recipe({ from: 'base', steps: [{ type: 'run', command: 'sleep 1000' }] })
      const running = world.start('image', 'build', 'left', '--recipe', path)
      const [image] = await vi.waitFor(async () => {
        const found = await client.images.list({ states: ['building'] }).toArray()
        expect(found).toHaveLength(1)
        expect(running.stderr).toContain('run sleep 1000')
        return found
      }, 20_000)
      running.child.kill('SIGINT')
      const { status, stderr } = await running.finished
      expect(status).toBe(130)
      expect(stderr).toContain('watch it with: spawnpoint operation show -f ')
      expect(stderr).toContain(`spawnpoint image cancel ${image?.id}`)
      expect((await client.images.get(image?.id ?? '')).state).toBe('building')
      await out('image', 'cancel', image?.id ?? '')
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

    test('have secrets out of files and variables', async () => {
      const mounts = '--mount=type=secret,id=key --mount=type=secret,id=path,env=SAID'
      const dir = await context(`FROM base\nUSER root\nRUN ${mounts} cat /run/secrets/key ; echo $SAID\n`)
      const file = join(directory, 'key')
      await writeFile(file, 'from a file\n')
      const built = await cli('image', 'build', dir, '--secret', `id=key,src=${file}`, '--secret', 'id=path,env=PATH')
      expect(built.stderr).toContain(`  from a file\n  ${process.env.PATH}\n`)
      expect((await cli('image', 'build', dir, '--secret', 'id=none-such')).stderr).toContain('none-such is not set')
      for (const wrong of ['src=x', `id=key,src=${join(directory, 'none')}`, 'id=key,size=1'])
        expect((await cli('image', 'build', dir, '--secret', wrong)).status, wrong).toBe(2)
      expect((await cli('image', 'build', 'named', '--secret', 'id=PATH')).status).toBe(2)
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
    expect(await out('image', 'show', 'tool:1.2')).toMatch(/^source: +ghcr\.io\/team\/tool:1\.2, sha256:d+$/m)
    expect(await out('image', 'show', pulled.stdout.trim())).toMatch(/^env: +A=b$/m)

    const named = new RunningCli(['image', 'pull', 'oci:layout', '-n', 'mine', '-u', 'alice', '--password-stdin'], {
      SPAWNPOINT_URL: world.server.url,
      SPAWNPOINT_API_KEY: world.server.key,
    })
    expect((await named.finish('wonderland\n')).status).toBe(0)
    expect(await out('image', 'show', 'mine', '--json')).not.toContain('wonderland')
    const asAccount = (region: string, env: Record<string, string>) =>
      new RunningCli(['image', 'pull', 'registry.test/mine:2', '--aws-region', region], {
        SPAWNPOINT_URL: world.server.url,
        SPAWNPOINT_API_KEY: world.server.key,
        ...env,
      }).finish()
    const keys = { AWS_ACCESS_KEY_ID: 'AKIA', AWS_SECRET_ACCESS_KEY: 'wonderland' }
    expect((await asAccount('eu-west-1', keys)).status).toBe(0)
    expect(await asAccount('evil.test/', keys)).toMatchObject({ status: 1, stderr: expect.stringContaining('region') })
    expect(await asAccount('eu-west-1', { AWS_ACCESS_KEY_ID: 'AKIA' })).toMatchObject({ status: 2 })
    expect(await asAccount('eu-west-1', { ...keys, AWS_SESSION_TOKEN: 's' })).toMatchObject({ status: 2 })
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
    world.server.host.faults.failNext('imageBuilder.build')
    expect((await cli('image', 'build', 'broken', '--suite', 'bookworm')).status).toBe(1)
    world.server.failures.length = 0
    expect(await out('image', 'list')).not.toContain('broken')
    for (const which of [['--all'], ['--state', 'failed']]) {
      expect(await out('image', 'list', ...which)).toMatch(/ broken +failed/)
    }
  })

  test('snapshots to registries and back', async () => {
    const by = await world.server.core.authenticate(world.server.key)
    const { id: origin } = await (await world.server.core.sandboxes.create(by, { image: 'base' })).done
    const { id } = await (await world.server.core.snapshots.create(by, origin, { kind: 'memory' })).done
    const pushed = await cli('snapshot', 'push', id, 'ghcr.io/team/point:1')
    expect(pushed).toMatchObject({ status: 0, stdout: expect.stringMatching(/^sha256:[0-9a-f]{64}\n$/) })
    const pulled = await cli('snapshot', 'pull', 'ghcr.io/team/point:1', '-n', 'moved')
    expect(pulled).toMatchObject({ status: 0, stderr: expect.stringMatching(/^Pulled moved, /m) })
    expect(pulled.stdout).toMatch(/^[0-9a-f]{24}\n$/)
  })

  test('secrets, and rules that refer to them', async () => {
    const env = { SPAWNPOINT_URL: world.server.url, SPAWNPOINT_API_KEY: world.server.key, ORG: 'ours' }
    const run = (...args: string[]) => new RunningCli(args, env)
    const set = await run('secret', 'set', 'API_KEY', '--host', '*.api.test', '--stdin').finish('sk-12345\n')
    expect(set).toMatchObject({ status: 0, stdout: 'API_KEY\n' })
    expect(await out('secret', 'list')).toMatch(/^API_KEY {2}\*\.api\.test /m)
    expect(await out('secret', 'list', '--json')).not.toContain('sk-12345')
    const rules = ['v1.api.test:Authorization=Bearer {API_KEY}', 'v1.api.test:X-Org=env:ORG']
    const options = rules.flatMap((rule) => ['--credential', rule])
    const made = await run('sandbox', 'create', 'base', ...options, '--json').finish()
    expect(made.status).toBe(0)
    const { id, credentials } = JSON.parse(made.stdout)
    expect(credentials[0].headers).toEqual([
      { name: 'Authorization', value: null, template: 'Bearer {API_KEY}', secret: true },
      { name: 'X-Org', value: null, secret: true },
    ])
    const elsewhere = await run('sandbox', 'update', id, '--credential', 'evil.test:X={API_KEY}').finish()
    expect(elsewhere).toMatchObject({ status: 1, stderr: expect.stringContaining('for other hosts') })
    expect((await run('sandbox', 'update', id, '--no-credentials').finish()).status).toBe(0)
    expect(JSON.parse(await out('sandbox', 'show', id, '--json')).credentials).toEqual([])
    expect(await out('sandbox', 'rm', id)).toBe(`${id}\n`)
    expect(await out('secret', 'rm', 'API_KEY')).toBe('API_KEY\n')
  })

  test('registries', async () => {
    const env = { SPAWNPOINT_URL: world.server.url, SPAWNPOINT_API_KEY: world.server.key }
    const add = (...args: string[]) =>
      new RunningCli(['registry', 'add', ...args, '--password-stdin'], env).finish('wonderland\n')
    expect(await add('ghcr.io/team', '-u', 'alice')).toMatchObject({ status: 0, stdout: 'ghcr.io-team\n' })
    expect(await add('ghcr.io/team', '-u', 'bob')).toMatchObject({ status: 0 })
    expect(await out('registry', 'list')).toMatch(/^ghcr\.io-team {2}https:\/\/ghcr\.io\/team {2}bob /m)
    expect(await out('registry', 'list', '--json')).not.toContain('wonderland')
    expect(await out('registry', 'rm', 'ghcr.io-team')).toBe('ghcr.io-team\n')
  })
})
