import { expect, it } from 'vitest'
import { staleAfter } from './live.ts'

const event = (type: string, ids: { sandboxId?: string; snapshotId?: string; imageId?: string } = {}) =>
  staleAfter({ type, sandboxId: null, snapshotId: null, imageId: null, ...ids })

it('an event makes old what shows its subject, and no more', () => {
  expect(event('sandbox.paused', { sandboxId: 's' })).toEqual([['events', 's'], ['sandboxes'], ['sandbox', 's']])
  expect(event('snapshot.ready', { sandboxId: 's', snapshotId: 'p' })).toContainEqual(['snapshots'])
  expect(event('image.ready', { imageId: 'i' })).toEqual([['images']])
  expect(event('schedule.skipped', { sandboxId: 's' })).toEqual([['events', 's'], ['schedules']])
  expect(event('key.created')).toEqual([])
})
