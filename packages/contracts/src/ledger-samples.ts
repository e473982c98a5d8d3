import {
  type ApiKey,
  type AuditEntry,
  type Event,
  type Image,
  type Name,
  newId,
  type Operation,
  type Registry,
  type Sandbox,
  type Schedule,
  type Secret,
  type Snapshot,
  type Team,
  type TeamId,
  type Volume,
} from '@spawnpoint/core'

/** Whole records with every field set to something that a careless ledger would lose; override what a test is about. */

const defaults = { env: { LANG: 'C.UTF-8', EMPTY: '' }, user: '1000:1000', workdir: '/home/ü', startCommand: ['a', ''] }

const resources = { cpus: 0.1, memoryBytes: 512 * 2 ** 20, diskBytes: 9_007_199_254_740_991, maxProcesses: 512 }

export function sampleTeam(over: Partial<Team> = {}): Team {
  const id = newId<TeamId>()
  const limits = {
    sandboxes: 3,
    cpus: 1.5,
    memoryBytes: 9_007_199_254_740_991,
    snapshots: null,
    storageBytes: 0,
    snapshotRetentionMs: null,
  }
  const createdAt = new Date(1_700_000_000_123)
  return { id, name: `Ålesund 🚀 ${id}`, snapshotRetentionMs: null, trashMs: 0, limits, createdAt, ...over }
}

export function sampleKey(teamId: TeamId, over: Partial<ApiKey> = {}): ApiKey {
  return {
    id: newId(),
    teamId,
    name: 'laptop',
    hint: 'sp_12ab',
    scopes: ['read', 'admin'],
    member: 'Åse <ase@example.com>',
    createdAt: new Date(1_700_000_000_001),
    lastUsedAt: null,
    revokedAt: null,
    ...over,
  }
}

export function sampleImage(teamId: TeamId, over: Partial<Image> = {}): Image {
  return {
    id: newId(),
    teamId,
    name: 'base',
    state: 'ready',
    failure: null,
    source: { type: 'debian', suite: 'bookworm', packages: ['python3'] },
    defaults,
    resources: { cpus: 0.5 },
    bootSnapshotId: newId(),
    parentImageId: null,
    sizeBytes: 3_000_000_000,
    labels: { tier: 'a b' },
    createdAt: new Date(1_700_000_000_999),
    readyAt: new Date(1_700_000_001_001),
    ...over,
  }
}

export function sampleName(teamId: TeamId, over: Partial<Name> = {}): Name {
  return { id: newId(), teamId, name: 'base', createdAt: new Date(1_700_000_000_777), ...over }
}

export function sampleSandbox(teamId: TeamId, over: Partial<Sandbox> = {}): Sandbox {
  return {
    id: newId(),
    teamId,
    name: null,
    state: 'running',
    failure: null,
    incarnationId: newId(),
    rootId: newId(),
    pausedSnapshotId: null,
    imageId: newId(),
    sourceSnapshotId: null,
    originSnapshotId: newId(),
    originCold: true,
    parentSandboxId: null,
    defaults,
    env: { TOKEN: '"quoted" \\ \n $é' },
    labels: {},
    resources,
    network: { internet: true, allow: ['10.0.0.0/8'], deny: [], allowDomains: [], precedence: 'deny' },
    credentials: [
      {
        name: 'api',
        enabled: true,
        hosts: ['api.example.com'],
        paths: [],
        matchHeaders: [],
        headers: [{ name: 'authorization', sealed: 'AbCd' }],
        env: {},
      },
    ],
    volumes: [{ volumeId: newId(), path: '/data', readOnly: true }],
    remotes: [
      {
        name: 'repo',
        path: '/mnt/repo',
        source: { type: 'git', url: 'https://a.test/r.git', ref: null },
        refreshMs: null,
        version: null,
      },
    ],
    ingress: { default: 'token', ports: { '8080': 'open', '22': 'closed' }, hostHeader: `localhost:$\{PORT}` },
    timeout: {
      timeoutMs: 300_000,
      idleTimeoutMs: null,
      onTimeout: 'stop',
      autoResume: true,
      deleteAfterMs: 86_400_000,
    },
    generation: 0,
    createdAt: new Date(1_700_000_000_007),
    startedAt: new Date(1_700_000_000_070),
    expiresAt: null,
    haltedAt: new Date(1_700_000_000_777),
    endedAt: null,
    ...over,
  }
}

export function sampleSnapshot(teamId: TeamId, over: Partial<Snapshot> = {}): Snapshot {
  return {
    id: newId(),
    teamId,
    name: 'ready-to-go',
    kind: 'memory',
    state: 'ready',
    failure: null,
    internal: false,
    cacheKey: null,
    sandboxId: newId(),
    parentId: null,
    imageId: newId(),
    defaults,
    env: {},
    resources,
    network: { internet: false, allow: [], deny: ['10.0.0.0/8'], allowDomains: ['*.example.com'], precedence: 'allow' },
    volumes: [],
    remotes: [
      {
        name: 'repo',
        path: '/r',
        source: { type: 'git', url: 'https://a.test/r.git', ref: { type: 'tag', name: 'v1' } },
        refreshMs: 60_000,
        version: '1f',
      },
    ],
    credentials: [
      {
        name: 'api',
        enabled: true,
        hosts: ['a.test'],
        paths: [],
        matchHeaders: [],
        headers: [{ name: 'X', sealed: 'c2VhbA==' }],
        env: {},
      },
    ],
    ingress: null,
    generation: 3,
    requirements: { runtime: 'gvisor', runtimeVersion: '2024', agentDigest: null, cpuFeatures: ['avx2', 'sse4_2'] },
    receipt: {
      standstillMs: 41.25,
      totalMs: 120,
      steps: [
        { step: 'flush', ms: 3.5 },
        { step: 'checkpoint', ms: 30 },
      ],
      memoryBytes: 123_456_789,
      filesystemBytes: 4096,
      newlyStoredBytes: 0,
      consistency: 'application',
      // What a program inside printed: any code unit at all, and it must not make the snapshot fail.
      hooks: [
        { name: '10-db', outcome: 'failed', exitCode: null, durationMs: 9, output: 'nul \u0000 lone \ud800 end' },
      ],
    },
    sizeBytes: 0,
    labels: {},
    scheduleId: null,
    pinned: false,
    storage: null,
    checkedAt: null,
    verifiedAt: null,
    checkFailure: null,
    createdAt: new Date(1_700_000_000_500),
    readyAt: new Date(1_700_000_000_620),
    expiresAt: null,
    trashedAt: null,
    purgeAt: null,
    trashedTags: [],
    ...over,
  }
}

export function sampleOperation(teamId: TeamId, over: Partial<Operation> = {}): Operation {
  return {
    id: newId(),
    teamId,
    kind: 'snapshot.create',
    state: 'open',
    phase: 'claimed',
    sandboxId: null,
    snapshotId: null,
    imageId: null,
    detail: { nested: { list: [1, 'two', null, { three: true }] }, text: 'nul \u0000' },
    error: null,
    createdAt: new Date(1_700_000_000_250),
    endedAt: null,
    ...over,
  }
}

export function sampleEvent(teamId: TeamId, over: Partial<Omit<Event, 'seq'>> = {}): Omit<Event, 'seq'> {
  return {
    teamId,
    type: 'sandbox.paused',
    sandboxId: null,
    snapshotId: null,
    imageId: null,
    data: { by: 'timeout' },
    at: new Date(1_700_000_000_321),
    ...over,
  }
}

export function sampleRegistry(teamId: TeamId, over: Partial<Registry> = {}): Registry {
  return {
    id: newId(),
    teamId,
    name: 'ours',
    url: 'https://registry.example:5000/team',
    username: 'ålice',
    createdAt: new Date(1_700_000_000_011),
    updatedAt: new Date(1_700_000_000_022),
    ...over,
  }
}

export function sampleSecret(teamId: TeamId, over: Partial<Secret> = {}): Secret {
  return {
    id: newId(),
    teamId,
    name: 'API_KEY',
    hosts: ['api.example.com', '*.example.org'],
    labels: { owner: 'ana' },
    version: 3,
    createdAt: new Date(1_700_000_000_011),
    updatedAt: new Date(1_700_000_000_022),
    ...over,
  }
}

export function sampleSchedule(teamId: TeamId, over: Partial<Schedule> = {}): Schedule {
  return {
    id: newId(),
    teamId,
    sandboxId: newId(),
    cron: '*/5 * * * *',
    timeZone: 'Europe/Oslo',
    kind: 'filesystem',
    keep: { last: 3, hourly: null, daily: 7, weekly: null, monthly: 12 },
    enabled: true,
    createdAt: new Date(1_700_000_000_009),
    decidedUntil: new Date(1_700_000_300_000),
    lastTick: null,
    ...over,
  }
}

export function sampleVolume(teamId: TeamId, fields: Partial<Volume> = {}): Volume {
  return {
    id: newId(),
    teamId,
    name: 'data',
    sizeBytes: 10 * 2 ** 30,
    createdAt: new Date(1_790_000_000_123),
    ...fields,
  }
}

export function sampleAudit(teamId: TeamId, over: Partial<AuditEntry> = {}): AuditEntry {
  return {
    id: newId(),
    teamId,
    at: new Date(1_700_000_000_333),
    door: 'native',
    keyId: newId(),
    keyName: 'laptop',
    member: 'Åse',
    what: 'sandboxes.create',
    target: 'box',
    outcome: 'accepted',
    operationId: newId(),
    ...over,
  }
}
