import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OPEN_NETWORK } from '@spawnpoint/core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { silentLog } from '../log.ts'
import { MAX_SERVERS } from './addresses.ts'
import { Authority } from './egress/authority.ts'
import { SlotPool } from './slot-pool.ts'

/** The last one that a host would come to */
const SERVER = MAX_SERVERS - 1
const EGRESS = { network: OPEN_NETWORK, intercepts: [], credentials: [] }
const dir = mkdtempSync(join(tmpdir(), 'spawnpoint-slots-'))
let pool: SlotPool

beforeAll(async () => {
  const authority = Authority.open(dir)
  pool = await SlotPool.open({ server: SERVER, dns: [], ready: 2, authority, log: silentLog }, new Map())
})
afterAll(async () => {
  await pool.close()
  rmSync(dir, { recursive: true })
})

it('gives each slot to one caller, with its namespace', async () => {
  const slots = await Promise.all(Array.from({ length: 6 }, () => pool.claim(EGRESS)))
  expect(new Set(slots.map((slot) => slot.number)).size).toBe(6)
  for (const slot of slots) expect(existsSync(slot.namespacePath)).toBe(true)
  for (const slot of slots) pool.release(slot.number)
})

it('does not give a number again soon: packets for the sandbox that had it may be under way', async () => {
  const given: number[] = []
  for (let n = 0; n < 8; n += 1) {
    const slot = await pool.claim(EGRESS)
    given.push(slot.number)
    pool.release(slot.number)
    await expect.poll(() => existsSync(slot.namespacePath)).toBe(false)
  }
  expect(new Set(given).size).toBe(8)
})
