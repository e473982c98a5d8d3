import { expect, it } from 'vitest'
import { formOf, limitsOf } from './limits.ts'

const NONE = {
  sandboxes: null,
  cpus: null,
  memoryBytes: null,
  snapshots: null,
  storageBytes: null,
  snapshotRetentionMs: null,
}

it('writes limits as they are read again', () => {
  const limits = {
    sandboxes: 10,
    cpus: 1.5,
    memoryBytes: 16 * 2 ** 30,
    snapshots: 0,
    storageBytes: 123_456,
    snapshotRetentionMs: 36 * 3_600_000,
  }
  expect(limitsOf(formOf(limits))).toEqual({ limits, errors: {} })
  expect(limitsOf(formOf(null))).toEqual({ limits: NONE, errors: {} })
})

it('tells what is wrong where it is wrong', () => {
  const { errors } = limitsOf({ ...formOf(null), sandboxes: '-1', memoryBytes: 'much', snapshotRetentionMs: '30d' })
  expect(Object.keys(errors)).toEqual(['sandboxes', 'memoryBytes'])
})
