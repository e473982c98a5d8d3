import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { MAX_SERVERS, namespaceName } from './addresses.ts'
import { OPEN_POLICY } from './rules.ts'
import { SlotPool } from './slot-pool.ts'

/** The last one that a host would come to */
const SERVER = MAX_SERVERS - 1
const warnings: string[] = []
let pool: SlotPool

beforeAll(async () => {
  const note = (_fields: object, message: string) => warnings.push(message)
  pool = await SlotPool.open(
    { server: SERVER, dns: [], ready: 2, log: { debug() {}, info() {}, warn: note, error: note } },
    new Map(),
  )
})
afterAll(() => pool.close())

it('gives each slot to one caller, with its namespace', async () => {
  const slots = await Promise.all(Array.from({ length: 6 }, () => pool.claim(OPEN_POLICY)))
  expect(new Set(slots.map((slot) => slot.number)).size).toBe(6)
  for (const slot of slots) expect(existsSync(slot.namespacePath)).toBe(true)
  for (const slot of slots) pool.release(slot.number)
})

it('does not give a slot again that could not be set right', async () => {
  // One too many is removed: then all that is to be ready is.
  const last = await pool.claim(OPEN_POLICY)
  pool.release(last.number)
  await expect.poll(() => existsSync(last.namespacePath)).toBe(false)
  const broken = await pool.claim(OPEN_POLICY)
  // While its replacement is being made, another is taken: the one that comes back is wanted.
  const other = await pool.claim(OPEN_POLICY)
  execFileSync('ip', ['netns', 'delete', namespaceName(SERVER, broken.number)])
  pool.release(broken.number)
  await expect.poll(() => warnings).toEqual(['Network slot could not be set right; removing it'])
  const next = [await pool.claim(OPEN_POLICY), await pool.claim(OPEN_POLICY), await pool.claim(OPEN_POLICY)]
  for (const slot of next) expect(existsSync(slot.namespacePath)).toBe(true)
  for (const slot of [other, ...next]) pool.release(slot.number)
})
