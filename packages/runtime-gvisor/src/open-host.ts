import { mkdirSync, rmSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { type IncarnationId, isCode, type RuntimeInfo } from '@spawnpoint/core'
import { dialGuest } from '@spawnpoint/guest'
import { AgentStore } from './agent-store.ts'
import type { Cgroups } from './cgroup/cgroups.ts'
import { openCgroups } from './cgroup/open-cgroups.ts'
import { Container, removeRemains } from './container.ts'
import { hostCpuFeatures } from './cpu-features.ts'
import { ExitWatch } from './exit-watch.ts'
import { errorText, unavailable } from './failure.ts'
import type { Host } from './host.ts'
import { hostBootId, isAlive } from './host-process.ts'
import { type IncarnationRecord, incarnationPaths, listIncarnationIds, readRecord } from './incarnation-record.ts'
import { silentLog } from './log.ts'
import { emptyNamespaceName, namespacePath } from './network/addresses.ts'
import { Authority } from './network/egress/authority.ts'
import { hostResolvers } from './network/resolvers.ts'
import { ServerIndex } from './network/server-index.ts'
import { SlotPool } from './network/slot-pool.ts'
import { DEFAULT_TIMEOUTS, type GvisorOptions } from './options.ts'
import { PipeStock } from './pipes.ts'
import { probe } from './probe.ts'
import { Runsc } from './runsc.ts'
import { killSandbox, killWaiting } from './sandbox-processes.ts'
import { Survivors } from './survivors.ts'

export const RUNTIME_NAME = 'gvisor'
const DEFAULT_SERVER_INDEX_DIR = '/run/spawnpoint'
const DEFAULT_READY_SLOTS = 4

export interface OpenedHost {
  host: Host
  info: RuntimeInfo
  /** Agent of cold starts */
  agentDigest: string
  /** Incarnations of an earlier server that still run */
  living: IncarnationRecord[]
  /** Removes everything the host was changed by, unless `keep`: sandboxes live on then. */
  close(keep: boolean): Promise<void>
}

/**
 * Checks the host, finds what lives, and removes everything else that an earlier server of the same state directory left:
 * processes, control groups, network slots, directories. Rejects `unavailable` saying what is missing.
 */
export async function openHost(options: GvisorOptions, behind: Host['behind']): Promise<OpenedHost> {
  const { stateDir, cacheDir, serverIndexDir = DEFAULT_SERVER_INDEX_DIR, log = silentLog } = options
  if (process.getuid?.() !== 0) throw unavailable('Sandboxes need network namespaces and control groups: run as root')
  await using undo = new AsyncDisposableStack()
  mkdirSync(`${stateDir}/i`, { recursive: true, mode: 0o700 })
  const index = await ServerIndex.claim(serverIndexDir, stateDir, hasProcesses)
  undo.defer(() => index.release(true))

  const agents = new AgentStore(cacheDir)
  const agentDigest = await agents.add(options.agentBinary).catch((error: unknown) => {
    throw unavailable(`The agent cannot be read at ${options.agentBinary}: ${errorText(error)}`, error)
  })
  const capabilities = await probe({
    binary: options.runsc,
    cacheDir,
    agentDir: agents.dirOf(agentDigest),
    scratchDir: `${stateDir}/trial`,
  })
  const cgroups = openCgroups(String(index.index))
  const timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts }
  const { living, dead } = survey(stateDir, cgroups)
  await killWaiting(stateDir, timeouts.deathMs).catch((error: unknown) =>
    log.error({ error: errorText(error) }, 'A runsc of an earlier server does not die'),
  )
  const surviving = await killAll(dead, (id) =>
    killSandbox({
      known: [],
      cgroups,
      id,
      timeoutMs: timeouts.deathMs,
      search: incarnationPaths(stateDir, id).dir,
    }),
  )
  const outliving = surviving.map(({ id, error }) => ({
    id,
    error,
    record: readRecord(incarnationPaths(stateDir, id)),
  }))

  const dns = options.dns ?? (await hostResolvers())
  const adopted = new Map(
    // The slot of what does not die is nobody else's yet.
    [...living, ...outliving.flatMap(({ record }) => record ?? [])].map(({ slot, network, intercepts = [] }) => [
      slot,
      // What goes into their requests nobody has said to this server yet.
      { network, intercepts, credentials: intercepts.length === 0 ? [] : null },
    ]),
  )
  const authority = Authority.open(`${cacheDir}/authority`)
  const { readySlots: ready = DEFAULT_READY_SLOTS, nearServices = [] } = options
  const slots = await SlotPool.open({ server: index.index, dns, ready, authority, nearServices, log }, adopted).catch(
    (error: unknown) => {
      const detail = isCode(error, 'runtime_failed') ? error.context.detail : errorText(error)
      throw unavailable(`Networks of sandboxes need nftables, iproute2 and Linux 5.16 or newer: ${detail}`, error)
    },
  )
  const watch = new ExitWatch<string>()
  rmSync(`${stateDir}/pipes`, { recursive: true, force: true })
  const host: Host = {
    stateDir,
    cgroups,
    agents,
    watch,
    survivors: new Survivors(log),
    log,
    slots,
    pipes: new PipeStock(`${stateDir}/pipes`),
    runsc: new Runsc(options.runsc, capabilities, {
      goferNamespace: namespacePath(emptyNamespaceName(index.index)),
    }),
    dialGuest: options.dialGuest ?? dialGuest,
    timeouts,
    givesOrders: capabilities.takesOrders && options.byCommandsOnly !== true,
    behind,
  }
  for (const { id, error, record } of outliving) {
    const exit = { id, reason: 'runtime_exited' as const, detail: 'the sandbox ended while the server was away' }
    host.survivors.add(new Container(host, id, record), exit, error)
  }
  for (const id of dead) if (!host.survivors.has(id)) await removeRemains(host, id)
  undo.move()
  return {
    host,
    agentDigest,
    living,
    info: {
      name: RUNTIME_NAME,
      version: capabilities.version,
      capabilities: {
        capturesDeletedFiles: capabilities.capturesDeletedFiles,
        keepsConnections: capabilities.keepsConnections,
        idleIsFree: capabilities.idleIsFree,
        memorySnapshots: true,
      },
      cpuFeatures: hostCpuFeatures(),
      authority: authority.certificate,
      host: { cpus: availableParallelism(), memoryBytes: totalmem() },
    },
    close: async (keep) => {
      watch.close()
      await host.pipes.close()
      await slots.close()
      rmSync(`${stateDir}/pipes`, { recursive: true, force: true })
      if (!keep) {
        cgroups.close()
        rmSync(stateDir, { recursive: true, force: true })
      }
      await index.release(keep)
    },
  }
}

/** Of those that survive, why. */
async function killAll(
  ids: readonly IncarnationId[],
  kill: (id: IncarnationId) => Promise<void>,
): Promise<{ id: IncarnationId; error: unknown }[]> {
  const surviving: { id: IncarnationId; error: unknown }[] = []
  // At once: each that survives is waited for.
  await Promise.all(ids.map((id) => kill(id).catch((error: unknown) => surviving.push({ id, error }))))
  return surviving
}

function hasProcesses(index: number): boolean {
  const groups = openCgroups(String(index))
  return groups.list().some((name) => groups.pids(name).length > 0)
}

/** Tells incarnations that run, by their records, from all others that left a directory or a control group. */
function survey(stateDir: string, cgroups: Cgroups): { living: IncarnationRecord[]; dead: IncarnationId[] } {
  const living: IncarnationRecord[] = []
  const dead = new Set<string>(cgroups.list())
  for (const id of listIncarnationIds(stateDir)) {
    const record = readRecord(incarnationPaths(stateDir, id))
    if (record && record.bootId === hostBootId() && record.processes.every(isAlive)) {
      living.push(record)
      dead.delete(id)
    } else {
      dead.add(id)
    }
  }
  return { living, dead: [...dead] as IncarnationId[] }
}
