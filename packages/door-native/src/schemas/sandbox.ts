import type { FailureReason, Resources, SandboxState } from '@spawnpoint/core'
import { z } from 'zod'
import {
  bytes,
  env,
  id,
  labelQuery,
  labels,
  nullableTime,
  pageQuery,
  query,
  ref,
  sandboxName,
  time,
  waitQuery,
} from './common.ts'
import { credentialRule, credentialsChange } from './credential.ts'
import { ingress, ingressChange, network, networkChange, timeout, timeoutChange, timeoutMs } from './policy.ts'
import { component } from './registry.ts'
import { remote, remoteRequest } from './remote.ts'
import { newSandboxSchedule } from './schedule.ts'
import { mountRequest, volumeMount } from './volume.ts'

const states = [
  'creating',
  'running',
  'snapshotting',
  'pausing',
  'paused',
  'resuming',
  'stopping',
  'stopped',
  'starting',
  'rolling_back',
  'killing',
  'killed',
  'failed',
] as const satisfies readonly SandboxState[]

export const sandboxState = component('SandboxState', z.enum(states))

const failureReason = z.enum([
  'out_of_memory',
  'runtime_exited',
  'host_restarted',
  'create_failed',
  'resume_failed',
  'interrupted',
  'guest_unresponsive',
] as const satisfies readonly FailureReason[])

// ---------------------------------------------------------------- what a sandbox may have of its own

const cpus = z.number().min(0.1).max(4096).describe('Processor share in whole or part processors')
const memoryBytes = bytes.min(1).describe('Memory of processes and tmpfs')
export const diskBytes = bytes.min(1).describe('Root filesystem, what the image brings included')
const maxProcesses = z.number().int().min(1).max(4_194_304).describe('Processes and threads')

export const resources: z.ZodType<Resources> = component(
  'Resources',
  z.object({ cpus, memoryBytes, diskBytes, maxProcesses }),
  {
    examples: [{ cpus: 1, memoryBytes: 536870912, diskBytes: 2147483648, maxProcesses: 1024 }],
  },
)

export const partialResources = z.strictObject({
  cpus: cpus.exactOptional(),
  memoryBytes: memoryBytes.exactOptional(),
  diskBytes: diskBytes.exactOptional(),
  maxProcesses: maxProcesses.exactOptional(),
})
const overrides = {
  env: env.optional().describe("Added to the source's"),
  labels: labels.optional(),
  resources: partialResources.optional(),
  network: networkChange.optional(),
  credentials: credentialsChange.optional(),
  ingress: ingressChange.optional(),
  timeout: timeoutChange.optional(),
}

const named = { name: sandboxName.optional().describe("Unique among the team's living sandboxes"), ...overrides }

export const createSandboxBody = component(
  'CreateSandbox',
  z
    .strictObject({
      image: ref.optional().describe('Image to start from; exactly one of `image`, `snapshot` and `from`'),
      snapshot: ref.optional().describe('Snapshot to go on from'),
      from: ref.optional().describe('Image or snapshot, whichever it names'),
      cold: z.boolean().optional().describe('Boot from the filesystem alone, without any memory'),
      schedule: newSandboxSchedule.optional().describe('Made together with the sandbox: there are both, or neither'),
      volumes: z
        .array(mountRequest)
        .max(16)
        .optional()
        .describe('Absent for those that the memory of the snapshot holds on to, if any'),
      remotes: z
        .array(remoteRequest)
        .max(16)
        .optional()
        .describe('Absent for those that the snapshot carries; brought anew before the sandbox runs'),
      ...named,
    })
    .refine(
      (given) => [given.image, given.snapshot, given.from].filter((one) => one !== undefined).length === 1,
      'Give exactly one of image, snapshot and from',
    ),
  { examples: [{ image: 'base', name: 'build-1', timeout: { timeoutMs: 600000 } }] },
)

export const spawnBody = component(
  'SpawnSandbox',
  z.strictObject({
    cold: createSandboxBody.shape.cold,
    volumes: createSandboxBody.shape.volumes,
    remotes: createSandboxBody.shape.remotes,
    schedule: createSandboxBody.shape.schedule,
    ...named,
  }),
  { examples: [{ labels: { attempt: '2' } }] },
)

export const forkBody = component(
  'ForkSandbox',
  z.strictObject({
    count: z.number().int().min(1).max(100).default(1),
    mode: z.enum(['all_or_nothing', 'best_effort']).default('all_or_nothing'),
    overrides: z.strictObject(overrides).optional().describe('For every child'),
    children: z
      .array(z.strictObject(named))
      .max(100)
      .optional()
      .describe('For child n, over `overrides` field by field; at most `count` entries'),
  }),
  { examples: [{ count: 3, overrides: { labels: { branch: 'try' } } }] },
)

export const rollbackBody = component(
  'RollBackSandbox',
  z.union([
    z.strictObject({ snapshot: ref.describe('One of its own, or the one it was started from') }),
    z.strictObject({
      origin: z.literal(true).describe('To what it was started from: its snapshot, or its image booted anew'),
    }),
  ]),
  { examples: [{ snapshot: 'before-migration' }, { origin: true }] },
)

export const arrivalBody = component(
  'BringBack',
  z.strictObject({
    timeoutMs: timeoutMs
      .optional()
      .describe("Becomes the policy's, and counts from when it runs; of one that runs already, nothing is changed"),
  }),
  { examples: [{ timeoutMs: 300000 }] },
)

const resourcesChange = z.strictObject({
  cpus: z.number().positive().optional(),
  memoryBytes: z.number().int().positive().optional(),
  diskBytes: z.number().int().positive().optional(),
})

export const updateSandboxBody = component(
  'UpdateSandbox',
  z.strictObject({
    name: sandboxName.nullable().optional(),
    labels: labels.optional().describe('Replaces all labels'),
    env: env.optional().describe('Replaces all of its own variables, for processes started from now on'),
    resources: resourcesChange
      .optional()
      .describe(
        'From its next start or resume, but the disk at once, which only grows; memory of what runs only grows',
      ),
    network: networkChange.optional(),
    credentials: credentialsChange.optional().describe('Replaces all of them'),
    ingress: ingressChange.optional().describe('`ports` replaces all of them'),
    timeout: timeoutChange
      .optional()
      .describe('`timeoutMs` counts from now; of a paused or stopped sandbox it changes the policy only'),
    extendOnly: z
      .boolean()
      .optional()
      .describe('A `timeoutMs` that would bring the expiry closer changes nothing; default false'),
  }),
  { examples: [{ timeout: { timeoutMs: 900000 } }] },
)

export const listSandboxesQuery = z.strictObject({
  ...pageQuery,
  state: query.many(sandboxState, states.length).optional().describe('Default: every living state'),
  name: sandboxName.optional(),
  image: ref.optional(),
  snapshot: ref.optional(),
  label: labelQuery,
})

export const waitOnly = z.strictObject(waitQuery)

// ---------------------------------------------------------------- answers

export const sandbox = component(
  'Sandbox',
  z.object({
    id,
    name: z.string().nullable(),
    state: sandboxState,
    failure: z
      .object({ reason: failureReason, detail: z.string() })
      .nullable()
      .describe('Why it is not running though nobody asked for it'),
    image: z.object({ id, name: z.string().nullable().describe('`null` if the image is deleted') }),
    sourceSnapshotId: id.nullable().describe('Snapshot it was started from or last rolled back to'),
    originSnapshotId: id.nullable().describe('Snapshot it was started from; `null` where an image was booted for it'),
    parentSandboxId: id.nullable().describe('Sandbox it was forked from'),
    env,
    labels,
    resources,
    volumes: z.array(volumeMount),
    remotes: z.array(remote),
    network,
    credentials: z.array(credentialRule),
    ingress,
    timeout,
    generation: z
      .number()
      .int()
      .describe('Counts restores of this line of memory; `/run/spawnpoint/generation` inside'),
    createdAt: time,
    startedAt: nullableTime.describe('Beginning of its present life'),
    expiresAt: nullableTime.describe('While it runs: when `onTimeout` happens'),
    haltedAt: nullableTime.describe('Since when it is paused, stopped or failed'),
    endedAt: nullableTime,
  }),
  {
    examples: [
      {
        id: '6920c1f20000a1b2c3d4e5f6',
        name: 'build-1',
        state: 'running',
        failure: null,
        image: { id: '6920c0000000a1b2c3d4e5f6', name: 'base' },
        sourceSnapshotId: null,
        originSnapshotId: null,
        parentSandboxId: null,
        env: {},
        labels: {},
        resources: { cpus: 1, memoryBytes: 536870912, diskBytes: 2147483648, maxProcesses: 1024 },
        volumes: [],
        remotes: [],
        network: { internet: true, allow: [], deny: [], allowDomains: [], precedence: 'deny' },
        credentials: [],
        ingress: { default: 'open', ports: {}, hostHeader: null },
        timeout: { timeoutMs: 600000, idleTimeoutMs: null, onTimeout: 'kill', autoResume: false, deleteAfterMs: null },
        generation: 0,
        createdAt: '2026-11-22T10:00:00.000Z',
        startedAt: '2026-11-22T10:00:00.300Z',
        expiresAt: '2026-11-22T10:10:00.000Z',
        haltedAt: null,
        endedAt: null,
      },
    ],
  },
)

export const forkedChild = component(
  'ForkedChild',
  z.object({
    sandbox: sandbox.nullable(),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
  }),
  { description: 'Either a sandbox or the error that kept it from being made' },
)

export const metricsQuery = z.strictObject({
  inside: query.flag.optional().describe('`true`: also ask the agent inside, which counts as activity'),
})

export const metrics = component(
  'Metrics',
  z.object({
    cpuMs: z.number().describe('Processor time since the present life began, as the host sees it'),
    memoryBytes: z.number(),
    diskBytes: z.number(),
    resources,
    inside: z
      .object({
        cpuMs: z.number(),
        memoryUsedBytes: z.number(),
        memoryTotalBytes: z.number(),
        diskUsedBytes: z.number(),
        diskTotalBytes: z.number(),
        processes: z.number(),
      })
      .nullable()
      .describe('What the agent inside says; `null` unless asked for'),
  }),
)

export const historyQuery = z.strictObject({
  from: query.time.optional().describe('First moment wanted; default an hour ago'),
  to: query.time.optional().describe('Last moment wanted; default now'),
})

export const sandboxMetrics = component(
  'SandboxMetrics',
  z.object({
    at: time,
    cpus: z.number().describe('Processors it may use'),
    cpuUsedPercent: z.number().describe('Share of these used since the sample before, 0 to 100'),
    memoryUsedBytes: z.number(),
    memoryTotalBytes: z.number(),
    memoryCacheBytes: z.number().describe('Of files, on top of `memoryUsedBytes`; 0 where the host does not tell'),
    diskUsedBytes: z.number(),
    diskTotalBytes: z.number(),
  }),
)

export const ingressToken = component(
  'IngressToken',
  z.object({ token: z.string(), header: z.string().describe('Request header to show it in') }),
)
