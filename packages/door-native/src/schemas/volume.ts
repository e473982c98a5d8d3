import { z } from 'zod'
import { id, pageQuery, ref, sandboxName, time } from './common.ts'
import { component } from './registry.ts'

const sizeBytes = z.number().int().positive()

export const createVolumeBody = component(
  'CreateVolume',
  z.strictObject({
    name: sandboxName.describe("Unique among the team's"),
    sizeBytes: sizeBytes.optional().describe('The most that it holds, 1 MiB to 1 TiB; default 10 GiB'),
  }),
  { examples: [{ name: 'datasets', sizeBytes: 53687091200 }] },
)

export const updateVolumeBody = component(
  'UpdateVolume',
  z.strictObject({ sizeBytes: sizeBytes.describe('1 MiB to 1 TiB, not less than it holds') }),
  { examples: [{ sizeBytes: 107374182400 }] },
)

export const listVolumesQuery = z.strictObject({ ...pageQuery, nameContains: z.string().min(1).max(128).optional() })

export const volume = component('Volume', z.object({ id, name: z.string(), sizeBytes, createdAt: time }), {
  description: 'Files that outlive the sandboxes which mount them',
  examples: [
    {
      id: '6920c1f20000a1b2c3d4e5f6',
      name: 'datasets',
      sizeBytes: 53687091200,
      createdAt: '2026-11-22T10:00:00.000Z',
    },
  ],
})

export const volumeUsage = component('VolumeUsage', z.object({ usedBytes: z.number().int() }))

export const mountRequest = z.strictObject({
  volume: ref.describe('Id or name'),
  path: z.string().min(2).max(1024).describe('Absolute'),
  readOnly: z.boolean().optional(),
})

export const volumeMount = component('VolumeMount', z.object({ volumeId: id, path: z.string(), readOnly: z.boolean() }))
