import type { Command } from 'commander'
import type { IngressPolicy, Metrics, Sandbox } from 'spawnpoint'
import { formatAge, formatBytes, formatDuration } from '../../output/units.ts'
import { remotesText } from '../../remotes.ts'
import { verb } from '../../verb.ts'
import { pairsText } from '../image/show.ts'

export function addShow(parent: Command): void {
  verb(parent, 'show <sandbox>', 'one sandbox and what it uses', async (cli, _options, ref: string) => {
    const sandbox = await cli.client.sandboxes.get(ref)
    const { info } = sandbox
    const metrics = await usageOf(sandbox)
    const { resources, network, timeout, failure } = info
    await cli.fields({ ...info, metrics }, [
      ['id', info.id],
      ['name', info.name],
      ['state', info.state],
      ['failure', failure === null ? null : `${failure.reason}: ${failure.detail}`],
      ['image', info.image.name === null ? info.image.id : `${info.image.name} (${info.image.id})`],
      ['from snapshot', info.sourceSnapshotId],
      ['forked from', info.parentSandboxId],
      ['generation', String(info.generation)],
      ['cpus', metrics === null ? String(resources.cpus) : `${resources.cpus}, used ${formatDuration(metrics.cpuMs)}`],
      ['memory', usedOf(metrics?.memoryBytes, resources.memoryBytes)],
      ['disk', usedOf(metrics?.diskBytes, resources.diskBytes)],
      ['processes', `at most ${resources.maxProcesses}`],
      ['remotes', remotesText(info.remotes)],
      ['internet', network.internet ? 'yes' : 'no'],
      ['allow', network.allow.join(' ') || null],
      ['allow domains', network.allowDomains.join(' ') || null],
      ['deny domains', network.denyDomains?.join(' ') || null],
      ['deny', network.deny.join(' ') || null],
      ['idle timeout', timeout.idleTimeoutMs === null ? null : formatDuration(timeout.idleTimeoutMs)],
      ['on timeout', timeout.timeoutMs === null && timeout.idleTimeoutMs === null ? null : timeout.onTimeout],
      ['auto-resume', timeout.autoResume ? 'yes' : null],
      ['deleted after', timeout.deleteAfterMs === null ? null : formatDuration(timeout.deleteAfterMs)],
      ['ingress', ingressText(info.ingress)],
      ['env', pairsText(info.env)],
      ['labels', pairsText(info.labels)],
      ['created', `${info.createdAt.toISOString()} (${formatAge(info.createdAt)})`],
      ['started', info.startedAt === null ? null : formatAge(info.startedAt)],
      ['expires', info.expiresAt === null ? null : formatAge(info.expiresAt)],
      ['rests since', info.haltedAt === null ? null : formatAge(info.haltedAt)],
      ['ended', info.endedAt === null ? null : formatAge(info.endedAt)],
    ])
  })
}

/** `token 8080=open, host localhost`. */
function ingressText({ default: otherwise, ports, hostHeader }: IngressPolicy): string {
  const text = [otherwise, ...Object.entries(ports).map(([port, access]) => `${port}=${access}`)].join(' ')
  return hostHeader === null ? text : `${text}, host ${hostHeader}`
}

/** `null` where nothing runs that could be asked, or has just ended. */
async function usageOf(sandbox: Sandbox): Promise<Metrics | null> {
  if (sandbox.info.endedAt !== null) return null
  try {
    return await sandbox.metrics()
  } catch (thrown) {
    const { code } = thrown as { code?: unknown }
    if (code === 'wrong_state' || code === 'not_found') return null
    throw thrown
  }
}

function usedOf(used: number | undefined, limit: number): string {
  return used === undefined ? formatBytes(limit) : `${formatBytes(used)} of ${formatBytes(limit)}`
}
