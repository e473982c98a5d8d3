import type { IncarnationSpec, Resources } from '@spawnpoint/core'

/** Where the agent is inside. A mount, so that no user can replace it; read-only, so that clones share it. */
export const AGENT_MOUNT = '/.spawnpoint'
export const AGENT_PATH = `${AGENT_MOUNT}/agent`

export type Volumes = NonNullable<IncarnationSpec['volumes']>

/** The parts of the OCI runtime specification that the driver uses. */
export interface OciMount {
  destination: string
  type: string
  source: string
  options: string[]
}

export interface OciProcess {
  terminal: false
  user: { uid: number; gid: number }
  args: string[]
  env: string[]
  cwd: string
  capabilities: Record<'bounding' | 'effective' | 'inheritable' | 'permitted', string[]>
  rlimits: { type: string; hard: number; soft: number }[]
  noNewPrivileges: boolean
}

/**
 * What must be the same at a restore as it was at the start, down to the order of mounts: a snapshot carries it along, so
 * that it can be restored by a server that would start a new sandbox differently. Mount sources may differ.
 */
export interface FrozenSpec {
  ociVersion: string
  process: OciProcess
  mounts: OciMount[]
}

export interface BundleOptions {
  frozen: FrozenSpec
  rootPath: string
  hostname: string
  /** Directory of the agent that the frozen part was made with */
  agentDir: string
  volumes: Volumes
  /** Empty for none */
  cgroupPath: string
  /** Path of a namespace; empty for a new one without interfaces */
  networkNamespace: string
}

/** An OCI `config.json`. */
export function bundleConfig(options: BundleOptions): object {
  const { ociVersion, process, mounts } = options.frozen
  return {
    ociVersion,
    process,
    root: { path: options.rootPath, readonly: false },
    hostname: options.hostname,
    mounts: mounts.map((mount) => (mount.type === 'bind' ? { ...mount, source: sourceOf(mount, options) } : mount)),
    linux: {
      ...(options.cgroupPath === '' ? {} : { cgroupsPath: options.cgroupPath }),
      namespaces: [
        { type: 'pid' },
        { type: 'ipc' },
        { type: 'uts' },
        { type: 'mount' },
        { type: 'network', ...(options.networkNamespace === '' ? {} : { path: options.networkNamespace }) },
      ],
    },
  }
}

/** The host's side of a bind mount, which the frozen part leaves open. */
function sourceOf({ destination }: OciMount, { agentDir, volumes }: BundleOptions): string {
  if (destination === AGENT_MOUNT) return agentDir
  const volume = volumes.find(({ path }) => path === destination)
  if (volume === undefined) throw new Error(`no volume is given for ${destination}`)
  return volume.source
}

/** The frozen part for a cold start. */
export function freshSpec(resources: Resources, volumes: Volumes = []): FrozenSpec {
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: [AGENT_PATH],
      env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root'],
      cwd: '/',
      capabilities: {
        bounding: CAPABILITIES,
        effective: CAPABILITIES,
        inheritable: [],
        permitted: CAPABILITIES,
      },
      rlimits: [
        { type: 'RLIMIT_NOFILE', soft: 65_536, hard: 1_048_576 },
        { type: 'RLIMIT_NPROC', soft: resources.maxProcesses, hard: resources.maxProcesses },
      ],
      // sudo and su work inside; the boundary is the sandbox, not its users.
      noNewPrivileges: false,
    },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc', options: [] },
      { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['ro', 'nosuid', 'noexec', 'nodev'] },
      ...TEMPORARY.map(({ path, share, mode }) => ({
        destination: path,
        type: 'tmpfs',
        source: 'tmpfs',
        options: ['nosuid', 'nodev', `mode=${mode}`, `size=${tmpfsBytes(resources, share)}`],
      })),
      { destination: AGENT_MOUNT, type: 'bind', source: '', options: ['ro', 'rbind', 'nosuid', 'nodev'] },
      ...volumes.map(({ path, readOnly }) => ({
        destination: path,
        type: 'bind',
        source: '',
        options: [readOnly ? 'ro' : 'rw', 'rbind', 'nosuid', 'nodev'],
      })),
    ],
  }
}

/**
 * File systems in memory, with their shares of it. Together below three quarters: whoever fills all of them gets "no
 * space left" while processes still have memory to notice.
 */
const TEMPORARY = [
  { path: '/tmp', share: 0.4, mode: '1777' },
  { path: '/dev/shm', share: 0.15, mode: '1777' },
  { path: '/var/tmp', share: 0.1, mode: '1777' },
  { path: '/run', share: 0.05, mode: '755' },
] as const

const PAGE_BYTES = 4_096

function tmpfsBytes(resources: Resources, share: number): number {
  return Math.max(1, Math.floor((resources.memoryBytes * share) / PAGE_BYTES)) * PAGE_BYTES
}

/**
 * Everything that gVisor implements within the sandbox's own kernel: root inside may mount, trace, set up its network and
 * change its users. None of it means anything outside.
 */
const CAPABILITIES = [
  'CAP_AUDIT_WRITE',
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_KILL',
  'CAP_LEASE',
  'CAP_LINUX_IMMUTABLE',
  'CAP_MKNOD',
  'CAP_NET_ADMIN',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_RAW',
  'CAP_SETFCAP',
  'CAP_SETGID',
  'CAP_SETPCAP',
  'CAP_SETUID',
  'CAP_SYS_ADMIN',
  'CAP_SYS_CHROOT',
  'CAP_SYS_NICE',
  'CAP_SYS_PTRACE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
]
