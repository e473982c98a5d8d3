import { type Sandbox, Spawnpoint } from 'spawnpoint'
import { openServerWorld, type ServerWorld } from 'spawnpoint/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RunningCli } from './testing/run-cli.ts'

let world: ServerWorld
let box: Sandbox

beforeAll(async () => {
  world = await openServerWorld()
  const client = new Spawnpoint({ url: world.url, apiKey: world.key })
  box = await client.sandboxes.create({ image: 'base', name: 'box' })
  await box.files.write('/srv/app/config', 'port=80\nhost=here\n')
  await box.files.write('/srv/gone', '')
  await box.snapshot({ name: 'before', tag: 'v1' })
  await box.files.write('/srv/app/config', 'port=81\nhost=here\n')
  await box.files.remove('/srv/gone')
  await box.files.write('/srv/new', '\0binary')
  await box.processes.start(['sleep', '1000'])
  await box.snapshot({ name: 'after' })
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
})

async function run(...args: string[]) {
  return new RunningCli(args, { SPAWNPOINT_URL: world.url, SPAWNPOINT_API_KEY: world.key }).finish()
}

describe('diff', () => {
  test('shows what is different, of files and of what ran', async () => {
    const { status, stdout } = await run('diff', 'before', 'after')
    expect(status).toBe(0)
    expect(stdout.split('\n')).toEqual([
      ...[
        '- /srv/gone',
        '+ /srv/new',
        '~ /srv/app/config  content',
        expect.stringMatching(/^\+ process \d+ sleep 1000$/),
        '',
      ],
    ])
    expect((await run('diff', 'before', 'box', '--path', '/srv/new')).stdout).toMatch(/^\+ \/srv\/new\n\+ process/)
    expect((await run('diff', 'after', 'after')).stderr).toBe('No differences.\n')
    expect(JSON.parse((await run('diff', 'before', 'after', '--json')).stdout)).toMatchObject({
      files: { counts: { added: 1, removed: 1, changed: 1 } },
    })
    const nobody = await run('diff', 'before', 'nobody')
    expect(nobody.stderr).toBe("spawnpoint: 'nobody' is neither a snapshot nor a sandbox\n")
    expect(nobody).toMatchObject({ status: 2, stdout: '' })
  })

  test('shows the text of one file', async () => {
    expect((await run('diff', 'before', 'after', '/srv/app/config')).stdout).toContain(
      '-port=80\n+port=81\n host=here\n',
    )
    expect(await run('diff', 'before', 'after', '/srv/new')).toMatchObject({
      ...{ status: 0, stdout: '', stderr: 'They differ, and are no text.\n' },
    })
    expect((await run('diff', 'before', 'after', '/nowhere')).status).toBe(1)
  })
})

describe('a snapshot', () => {
  test('is looked into', async () => {
    const files = (await run('snapshot', 'files', 'after', '/srv', '--depth', '2')).stdout
    expect(files).toMatch(
      /^MODE +OWNER +SIZE +CHANGED +PATH\nd0755 .* \/srv\/app\n-0644 .* 18 B .* \/srv\/app\/config\n/,
    )
    expect((await run('snapshot', 'cat', 'before:v1', '/srv/app/config')).stdout).toBe('port=80\nhost=here\n')
    expect((await run('snapshot', 'find', 'after', 'con*', '--content', 'host')).stdout).toMatch(
      /^PATH +SIZE +LINE\n\/srv\/app\/config:2 +18 B +host=here\n$/,
    )
    expect(await run('snapshot', 'find', 'after')).toMatchObject({ status: 2 })
    expect((await run('snapshot', 'archive', 'after', '/srv')).stdout.startsWith('srv/')).toBe(true)
    expect((await run('snapshot', 'ps', 'after')).stdout).toMatch(
      /^ *PID +USER +MEMORY +PORTS +COMMAND\n.*sleep 1000\n$/,
    )
    expect((await run('snapshot', 'ps', 'before')).stderr).toBe('Nothing ran.\n')
  })

  test('gives files back', async () => {
    expect(await run('snapshot', 'cp', 'before:v1:/srv/app/config', 'box:/srv/old/')).toMatchObject({
      ...{ status: 0, stderr: '1 entry, 18 B\n' },
    })
    expect(await box.files.readText('/srv/old/config')).toContain('port=80')
    await run('snapshot', 'cp', 'before:/srv/app', 'box')
    expect(await box.files.readText('/srv/app/config')).toContain('port=80')
    expect(await run('snapshot', 'cp', 'before', 'box')).toMatchObject({ status: 2 })
  })
})
