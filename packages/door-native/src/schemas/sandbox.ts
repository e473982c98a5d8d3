import type {
  FailureReason,
  IngressPolicy,
  NetworkPolicy,
  PortAccess,
  Resources,
  SandboxState,
  ShownCredentialRule,
  TimeoutPolicy,
} from '@spawnpoint/core'
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
  sandboxName,
  time,
  waitQuery,
} from './common.ts'
import { component } from './registry.ts'
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
const diskBytes = bytes.min(1).describe('Root filesystem, what the image brings included')
const maxProcesses = z.number().int().min(1).max(4_194_304).describe('Processes and threads')

export const resources: z.ZodType<Resources> = component(
  'Resources',
  z.object({ cpus, memoryBytes, diskBytes, maxProcesses }),
  {
    examples: [{ cpus: 1, memoryBytes: 536870912, diskBytes: 2147483648, maxProcesses: 1024 }],
  },
)

const cidr = z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()])
const internet = z.boolean().describe('Outbound connections at all')
const cidrs = z.array(cidr).max(256)
const precedence = z
  .enum(['deny', 'allow'])
  .describe(
    '`deny`: with an allow list only what it names is reachable, less what `deny` names. `allow`: everything is, but for what `deny` names and no allow list excepts',
  )
const domains = z
  .array(z.string().min(1).max(255))
  .max(256)
  .describe('Host names reachable over TLS and HTTP on ports 443 and 80; `*.name` for all names below it')

export const network: z.ZodType<NetworkPolicy> = component(
  'NetworkPolicy',
  z.object({
    internet,
    allow: z.array(z.string()),
    deny: z.array(z.string()),
    allowDomains: z.array(z.string()),
    precedence,
  }),
  {
    description: '`allow` and `deny` are CIDRs, `allowDomains` host names (`*.name` for all below it)',
    examples: [{ internet: true, allow: [], deny: ['10.0.0.0/8'], allowDomains: [], precedence: 'deny' }],
  },
)

const timeoutMs = milliseconds
  .min(1)
  .nullable()
  .describe('From creation, resume or extension to expiry; `null` for never')
const idleTimeoutMs = milliseconds
  .min(1)
  .nullable()
  .describe('Without a request to the sandbox until `onTimeout` happens; `null` for never')
const onTimeout = z.enum(['kill', 'pause', 'stop']).describe('`stop` ends the processes and keeps the filesystem')
const autoResume = z
  .boolean()
  .describe('A use of the paused or stopped sandbox brings it back, its timeout counting anew, and then goes on')
const deleteAfterMs = milliseconds
  .min(1)
  .nullable()
  .describe('Paused, stopped or failed, counted from `haltedAt`, until it is killed; `null` for never')

export const timeout: z.ZodType<TimeoutPolicy> = component(
  'TimeoutPolicy',
  z.object({ timeoutMs, idleTimeoutMs, onTimeout, autoResume, deleteAfterMs }),
  {
    examples: [
      { timeoutMs: 300000, idleTimeoutMs: null, onTimeout: 'pause', autoResume: true, deleteAfterMs: 604800000 },
    ],
  },
)

const portAccess = z
  .enum(['open', 'token', 'closed'] as const satisfies readonly PortAccess[])
  .describe('Who reaches a port through an address of its own: anybody, only who shows a token, nobody')
const portAccesses = z
  .record(z.string().regex(/^[1-9]\d{0,4}$/, 'Expected a port number'), portAccess)
  .describe('By port number; for the others `default` holds')
const hostHeader = z
  .string()
  .min(1)
  .max(255)
  .nullable()
  .describe(
    `Host header that programs see, $\{PORT} in it standing for the port; null for the one that the client sent`,
  )

const header = z.string().min(1).max(128).describe('Name of a header')
const credentialHosts = z
  .array(z.string().min(1).max(255))
  .min(1)
  .max(64)
  .describe('Host names, or `*.name` for all below it; over HTTP on port 80 and TLS on port 443')
const credentialPaths = z
  .array(z.string().min(1).max(1024))
  .max(64)
  .describe('A whole path, `/prefix/*`, `*/suffix` or `*`, without the query; none for all')
const matchHeaders = z
  .array(z.strictObject({ name: header, value: z.string().max(16_384) }))
  .max(64)
  .describe('The request must have all of these, with these values')

export const credentialRule: z.ZodType<ShownCredentialRule> = component(
  'CredentialRule',
  z.object({
    name: z.string(),
    enabled: z.boolean(),
    hosts: credentialHosts,
    paths: credentialPaths,
    matchHeaders,
    headers: z
      .array(
        z.object({ name: header, value: z.string().nullable().describe('`null` for a secret'), secret: z.boolean() }),
      )
      .describe('Put into requests after they have left the sandbox, in place of what these have'),
    env: env.describe("For the sandbox's processes, under its own variables; not secret"),
  }),
  {
    examples: [
      {
        name: 'api',
        enabled: true,
        hosts: ['api.example.com'],
        paths: [],
        matchHeaders: [],
        headers: [{ name: 'authorization', value: null, secret: true }],
        env: {},
      },
    ],
  },
)

const credentialsChange = z
  .array(
    z.strictObject({
      name: z.string().min(1).max(128).describe("Unique among the sandbox's"),
      enabled: z.boolean().optional().describe('Default true'),
      hosts: credentialHosts,
      paths: credentialPaths.optional(),
      matchHeaders: matchHeaders.optional(),
      headers: z
        .array(
          z.strictObject({
            name: header,
            value: z
              .string()
              .max(16_384)
              .optional()
              .describe('Absent for a secret that the rule of this name and these hosts has already'),
            secret: z.boolean().optional().describe('Never told to anybody again; default true'),
          }),
        )
        .max(64),
      env: env.optional(),
    }),
  )
  .max(64)
  .describe('What is put into requests to named hosts; of several rules that fit a request the first counts')

export const ingress: z.ZodType<IngressPolicy> = component(
  'IngressPolicy',
  z.object({ default: portAccess, ports: portAccesses, hostHeader }),
  { examples: [{ default: 'token', ports: { 8080: 'open' }, hostHeader: null }] },
)

export const partialResources = z.strictObject({
  cpus: cpus.exactOptional(),
  memoryBytes: memoryBytes.exactOptional(),
  diskBytes: diskBytes.exactOptional(),
  maxProcesses: maxProcesses.exactOptional(),
})
const networkChange = z.strictObject({
  internet: internet.exactOptional(),
  allow: cidrs.exactOptional(),
  deny: cidrs.exactOptional(),
  allowDomains: domains.exactOptional(),
  precedence: precedence.exactOptional(),
})
const timeoutChange = z.strictObject({
  timeoutMs: timeoutMs.exactOptional(),
  idleTimeoutMs: idleTimeoutMs.exactOptional(),
  onTimeout: onTimeout.exactOptional(),
  autoResume: autoResume.exactOptional(),
  deleteAfterMs: deleteAfterMs.exactOptional(),
})
const ingressChange = z.strictObject({
  default: portAccess.exactOptional(),
  ports: portAccesses.exactOptional(),
  hostHeader: hostHeader.exactOptional(),
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
      .describe('For child n, over `overrides`; at most `count` entries'),
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

export const updateSandboxBody = component(
  'UpdateSandbox',
  z.strictObject({
    name: sandboxName.nullable().optional(),
    labels: labels.optional().describe('Replaces all labels'),
    env: env.optional().describe('Replaces all of its own variables, for processes started from now on'),
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
