import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TeamLimits } from '@spawnpoint/core'
import { startServer } from '@spawnpoint/server'
import { configFrom } from '@spawnpoint/server/config'
import { pino } from 'pino'
import { defaults } from '../e2e/base-defaults.ts'
import { BASE_TAR, placeFile } from '../e2e/world.ts'

/** A server within this process, which is the only one that can be asked for a second team; the first has `base`. */
export async function twoTeams() {
  await using undo = new AsyncDisposableStack()
  const dataDir = mkdtempSync(join(tmpdir(), 'spawnpoint-e2e-'))
  undo.defer(() => rmSync(dataDir, { recursive: true, force: true }))
  mkdirSync(join(dataDir, 'imports'))
  placeFile(BASE_TAR, join(dataDir, 'imports/base.tar'))
  const env = { ...process.env, SPAWNPOINT_POOL_BYTES: String(32 * 2 ** 30) }
  const config = configFrom({ dataDir, port: '0' }, env)
  const server = undo.use(await startServer(config, pino({ level: 'silent' })))
  const { core, url, adminKey } = server
  const by = await core.authenticate(adminKey)
  undo.defer(async () => {
    const { items } = await core.sandboxes.list(by, {}, { limit: 500 })
    for (const sandbox of items) await core.sandboxes.kill(by, sandbox.id)
  })
  const source = { type: 'tar', path: 'base.tar' } as const
  await (await core.images.build(by, { name: 'base', source, defaults })).done
  const { key: strangersKey } = await core.createTeam('strangers')
  const owned = undo.move()
  return {
    url,
    key: adminKey,
    strangersKey,
    /** What the first team may have at most */
    limit: (limits: Partial<TeamLimits>) => core.teams.update(by, by.teamId, { limits }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}
