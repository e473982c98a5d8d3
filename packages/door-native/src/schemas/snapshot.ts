import type { Consistency, SnapshotState } from '@spawnpoint/core'
import { z } from 'zod'
import {
  bytes,
  env,
  id,
  labelQuery,
  labels,
  milliseconds,
  nullableTime,
  pageQuery,
  query,
  ref,
  snapshotKind,
  snapshotName,
  tagName,
  time,
} from './common.ts'
import { credentialRule } from './credential.ts'
import { ingress, network } from './policy.ts'
import { component } from './registry.ts'
import { remote } from './remote.ts'
import { diskBytes, resources } from './sandbox.ts'
import { volumeMount } from './volume.ts'

const states = ['creating', 'ready', 'failed', 'trashed', 'deleting'] as const satisfies readonly SnapshotState[]
const snapshotState = z.enum(states)
const ttlMs = milliseconds.min(1)

export const createSnapshotBody = component(
  'CreateSnapshot',
  z.strictObject({
    kind: snapshotKind.default('memory'),
    name: snapshotName.optional().describe('May be used again; it then means the latest ready one'),
    tag: tagName.optional().describe('Tag of `name` that points to the snapshot once it is ready'),
    labels: labels.optional(),
    ttlMs: ttlMs
      .nullable()
      .optional()
      .describe('Until it is deleted, `null` for never; absent for what the team has set'),
    credentials: z
      .boolean()
      .optional()
      .describe("What is started from it has the sandbox's credentials, secrets too; default false"),
    remotes: z
      .boolean()
      .optional()
      .describe("The sandbox's remotes are brought anew into what is started from it; default false"),
    env: env
      .optional()
      .describe(
        "What is in the environment of what is started from it, in place of all the sandbox's own; programs in its memory keep what they have",
      ),
    resources: z
      .strictObject({ diskBytes: diskBytes.optional() })
      .optional()
      .describe(
        'What is started from it has unless it asks for another: no less than the sandbox, which is the default',
      ),
    hooks: z.boolean().optional().describe("Run the sandbox's `pre-snapshot` hooks; default true"),
    requireHooks: z.boolean().optional().describe('A failing hook fails the snapshot; default false'),
    whenBusy: z
      .enum(['wait', 'reject'])
      .optional()
      .describe('While another operation on the sandbox is under way; default `wait`'),
  }),
  { examples: [{ kind: 'memory', name: 'before-migration' }] },
)

export const updateSnapshotBody = component(
  'UpdateSnapshot',
  z.strictObject({
    labels: labels.optional().describe('Replaces all labels'),
    ttlMs: ttlMs.nullable().optional().describe('Counts from now; `null` for never'),
    pinned: z.boolean().optional().describe('Neither expires nor is thinned out while this is so'),
  }),
  { examples: [{ ttlMs: 86400000 }] },
)

export const drillBody = component(
  'DrillSnapshot',
  z.strictObject({
    probe: z
      .array(z.string())
      .min(1)
      .max(256)
      .optional()
      .describe('Program and arguments that must end with 0; default `true`, which says that the agent answers'),
    timeoutMs: milliseconds.min(1).max(3_600_000).optional().describe('That the probe may take; default a minute'),
  }),
  { examples: [{ probe: ['test', '-e', '/srv/app'] }] },
)

const filters = {
  ...pageQuery,
  state: query.many(snapshotState, states.length).optional().describe('Default: all but `trashed` and `deleting`'),
  kind: snapshotKind.optional(),
  name: snapshotName.optional(),
  nameContains: z.string().min(1).max(128).optional().describe('Part of the name, upper or lower case'),
  parent: ref.optional().describe('Snapshots of sandboxes that came from this one'),
  label: labelQuery,
}

export const listSnapshotsOfSandboxQuery = z.strictObject(filters)
export const listSnapshotsQuery = z.strictObject({ ...filters, sandbox: ref.optional() })

const hookOutcome = z.object({
  name: z.string().describe('File name of the hook'),
  outcome: z.enum(['ok', 'failed', 'timed_out']),
  exitCode: z.number().int().nullable(),
  durationMs: z.number(),
  output: z.string().describe('End of what it printed'),
})

const receipt = component(
  'Receipt',
  z.object({
    standstillMs: z.number().describe('How long the sandbox stood still'),
    totalMs: z.number().describe('From request to acknowledged'),
    steps: z.array(z.object({ step: z.string(), ms: z.number() })),
    memoryBytes: bytes,
    filesystemBytes: bytes,
    newlyStoredBytes: bytes.describe('What this snapshot added to the store'),
    consistency: z
      .enum(['crash', 'filesystem', 'application'] as const satisfies readonly Consistency[])
      .describe(
        '`crash`: as after a power cut; `filesystem`: dirty data was flushed, or memory and files are of one instant; `application`: programs prepared themselves through hooks',
      ),
    hooks: z.array(hookOutcome),
  }),
  { description: 'What a snapshot cost and what it holds' },
)

const requirements = z.object({
  runtime: z.string(),
  runtimeVersion: z.string(),
  agentDigest: z.string().nullable(),
  cpuFeatures: z.array(z.string()),
})

export const snapshot = component(
  'Snapshot',
  z.object({
    id,
    name: z.string().nullable(),
    kind: snapshotKind,
    state: snapshotState,
    failure: z.string().nullable(),
    sandboxId: id.describe('Sandbox it was taken of'),
    parentId: id.nullable().describe('Snapshot that the sandbox itself came from: the lineage'),
    imageId: id,
    env,
    resources,
    volumes: z.array(volumeMount).describe('That its memory holds on to'),
    credentials: z.array(credentialRule).describe('That what is started from it has unless it is given others'),
    remotes: z.array(remote).describe('That are brought anew into what is started from it, unless it is given others'),
    network: network.nullable().describe('Of the sandbox then, and so of those started from here; `null`: unknown'),
    ingress: ingress.nullable(),
    generation: z.number().int(),
    requirements: requirements.nullable().describe('What a restore needs of the host'),
    receipt: receipt.nullable(),
    sizeBytes: bytes,
    labels,
    scheduleId: id.nullable().describe('Schedule that it was taken by'),
    pinned: z.boolean(),
    storage: z
      .object({
        uniqueBytes: bytes.describe('Nothing else in the store refers to these: what its deletion gives back'),
        sharedBytes: bytes.describe('In common with images, sandboxes or other snapshots'),
        at: time.describe('When it was measured'),
      })
      .nullable()
      .describe('What it takes of the store; `null` until it has been measured'),
    checkedAt: nullableTime.describe('When it was last read back and was as it had been written'),
    verifiedAt: nullableTime.describe('When a sandbox was last started from it for a trial, and answered'),
    checkFailure: z.string().nullable().describe('What the last check or drill found wrong'),
    createdAt: time,
    readyAt: nullableTime,
    expiresAt: nullableTime,
    trashedAt: nullableTime.describe('Since when it is in the trash'),
    purgeAt: nullableTime.describe('When it goes for good: set while it is in the trash, and of one that failed'),
  }),
)
