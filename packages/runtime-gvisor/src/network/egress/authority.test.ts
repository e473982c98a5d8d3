import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { afterAll, expect, it } from 'vitest'
import { Authority } from './authority.ts'

const dir = mkdtempSync(join(tmpdir(), 'spawnpoint-authority-'))
const own = Authority.open(dir)
afterAll(() => rmSync(dir, { recursive: true }))

it('an authority is made once and vouches for the hosts that are asked for', () => {
  expect(Authority.open(dir).certificate).toBe(own.certificate)
  expect(createSecureContext({ ca: own.certificate })).toBeDefined()
  expect(own.contextFor('a.test')).toBe(own.contextFor('a.test'))
  expect(own.contextFor('a.test', Date.now() + 20 * 86_400_000)).not.toBe(own.contextFor('b.test'))
})
