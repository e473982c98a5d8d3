import { SpawnpointError } from '@spawnpoint/core'
import { expect, it } from 'vitest'
import { problemOf, retryAfterSeconds, statusOf, WORDINGS } from './problem.ts'
import { errorCodes } from './schemas/index.ts'

it('has words for every code, and no others', () => {
  expect(Object.keys(WORDINGS).sort()).toEqual([...errorCodes].sort())
})

it.each([
  ['ENOENT', 404],
  ['EEXIST', 409],
  ['EACCES', 403],
  ['ENOSPC', 507],
  ['EISDIR', 422],
  ['constructor', 422],
])('answers %s of the guest with %i', (errno, status) => {
  expect(statusOf(new SpawnpointError('guest_error', 'No', { errno }))).toBe(status)
})

it.each([
  [1, 1],
  [1000, 1],
  [1001, 2],
  [60_000, 60],
])('asks to wait whole seconds for %i ms', (retryAfterMs, seconds) => {
  const error = new SpawnpointError('rate_limited', 'Slowly', { retryAfterMs })
  expect(retryAfterSeconds(problemOf(error, 'r'))).toBe(seconds)
})
