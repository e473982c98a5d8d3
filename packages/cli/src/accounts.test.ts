import { openServerWorld, type ServerWorld } from 'spawnpoint/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Finished, RunningCli } from './testing/run-cli.ts'

let world: ServerWorld
beforeAll(async () => {
  world = await openServerWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

function cli(...args: string[]): Promise<Finished> {
  return as(world.key, ...args)
}
function as(key: string, ...args: string[]): Promise<Finished> {
  return new RunningCli(args, { SPAWNPOINT_URL: world.url, SPAWNPOINT_API_KEY: key }).finish()
}

test('teams and their limits', async () => {
  const made = await cli('team', 'create', 'research', '--sandboxes', '2', '--memory', '4G')
  expect(made).toMatchObject({ status: 0, stdout: expect.stringMatching(/^sp_[0-9a-f]{64}\n$/) })
  const limits = await cli('team', 'limits', 'research', '--cpus', '1.5', '--memory', 'none', '--retention', '30d')
  expect(limits.stdout).toMatch(/^sandboxes: +0 of 2$/im)
  expect(limits.stdout).toMatch(/^cpus: +0 of 1.5$/im)
  expect(limits.stdout).toMatch(/^memory: +0 B of any$/im)
  expect(limits.stdout).toMatch(/^longest retention: +30d$/im)
  expect((await cli('team', 'list')).stdout).toMatch(/research +0\/2 +0\/1.5/)
  expect(await as(made.stdout.trim(), 'team', 'list')).toMatchObject({ status: 1 })
  expect(await cli('team', 'limits', 'research', '--cpus', 'many')).toMatchObject({ status: 2 })
})

test("how long one's own team keeps snapshots", async () => {
  const changed = await cli('team', 'settings', '--retention', '30d', '--trash', '2d')
  expect(changed.stdout).toMatch(/^snapshots expire: +after 30d, unless told$/im)
  expect(changed.stdout).toMatch(/^trash: +2d$/im)
  const sandbox = (await cli('sandbox', 'create', 'base')).stdout.trim()
  const id = (await cli('snapshot', 'create', sandbox, '--name', 'kept')).stdout.trim()
  const expires = async () => JSON.parse((await cli('snapshot', 'show', id, '--json')).stdout)
  expect(Date.parse((await expires()).expiresAt)).toBeGreaterThan(Date.now() + 29 * 86_400_000)
  expect((await cli('snapshot', 'update', 'kept', '--ttl', '60d', '--pin')).stdout).toBe(`${id}\n`)
  expect(await expires()).toMatchObject({ pinned: true })
  expect((await cli('snapshot', 'list')).stdout).toMatch(/pinned$/m)
  expect((await cli('snapshot', 'update', 'kept', '--no-pin', '--ttl', 'never')).status).toBe(0)
  expect(await expires()).toMatchObject({ pinned: false, expiresAt: null })
  expect(await cli('snapshot', 'update', 'kept')).toMatchObject({ status: 2 })
  expect(await cli('snapshot', 'rm', 'kept')).toMatchObject({ status: 0 })
  expect((await cli('snapshot', 'list', '--state', 'trashed')).stdout).toMatch(/GONE\n.*kept.* in (47|48)h$/m)
  const back = await cli('team', 'settings', '--retention', 'none', '--trash', 'none')
  expect(back.stdout).toMatch(/^snapshots expire: +never, unless told$/im)
  expect(back.stdout).toMatch(/^trash: +none$/im)
})

test('keys with scopes and members, and what they asked for', async () => {
  const secret = (await cli('key', 'create', 'r', '--scope', 'read', '--member', 'ana')).stdout.trim()
  expect((await cli('key', 'list')).stdout).toMatch(/ r +sp_\S+ +read +ana /)
  const self = await as(secret, 'key', 'self')
  expect(self.stdout).toMatch(/^scopes: +read\nmember: +ana\nteam: +default$/m)
  const refused = await as(secret, 'sandbox', 'create', 'base')
  expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining("lacks the scope 'write'") })
  const log = await cli('audit', '--member', 'ana')
  expect(log.stdout.trim().split('\n').at(-1)).toMatch(/Z +ana +native +sandboxes\.create +forbidden +-$/)
  expect(await cli('key', 'create', 'x', '--scope', 'everything')).toMatchObject({ status: 2 })
})

test('usage for people and as CSV', async () => {
  const id = (await cli('sandbox', 'create', 'base')).stdout.trim()
  const day = new Date().toISOString().slice(0, 10)
  expect((await cli('usage', '--by', 'day', '--by', 'sandbox')).stdout).toContain(`${day}  ${id}`)
  const csv = await cli('usage', '--by', 'day', '--csv', '--from', '2d')
  expect(csv.stdout).toMatch(new RegExp(`^day,sandbox_seconds,[a-z_,]+\\r\\n${day},`))
  expect(JSON.parse((await cli('usage', '--all-teams', '--json')).stdout)).toHaveLength(1)
  expect((await cli('usage', '--from', 'yesterday')).stderr).toContain("'yesterday' is no time")
})
