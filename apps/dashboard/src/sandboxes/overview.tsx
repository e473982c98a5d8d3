import { Link } from '@tanstack/react-router'
import type { IngressPolicy, NetworkPolicy, TimeoutPolicy } from 'spawnpoint'
import { formatBytes, formatDuration, shortId } from '../format.ts'
import { Age, Copy, Facts, Labels } from '../ui/bits.tsx'
import { useSandbox } from './detail.tsx'

export function OverviewTab() {
  const { id, info } = useSandbox()
  const parent = info.parentSandboxId
  return (
    <div className="grid-2">
      <section className="panel">
        <h2>Identity</h2>
        <Facts
          of={[
            [
              'Id',
              <span className="copy" key="id">
                <code>{id}</code>
                <Copy text={id} label="Copy the id" />
              </span>,
            ],
            ['Image', info.image.name ?? shortId(info.image.id)],
            [
              'Started from',
              info.originSnapshotId === null ? 'the image' : `snapshot ${shortId(info.originSnapshotId)}`,
            ],
            [
              'Forked from',
              parent === null ? (
                '–'
              ) : (
                <Link key="parent" to="/sandboxes/$id" params={{ id: parent }}>
                  {shortId(parent)}
                </Link>
              ),
            ],
            ['Generation', info.generation],
            ['Labels', Object.keys(info.labels).length === 0 ? '–' : <Labels key="labels" labels={info.labels} />],
          ]}
        />
      </section>
      <section className="panel">
        <h2>Time</h2>
        <Facts
          of={[
            ['Created', <Age key="created" at={info.createdAt} />],
            ['This life began', <Age key="started" at={info.startedAt} />],
            ['Rests since', <Age key="halted" at={info.haltedAt} />],
            ['Expires', <Age key="expires" at={info.expiresAt} />],
            ['Timeout', timeoutText(info.timeout)],
            ['Wakes by use', info.timeout.autoResume ? 'yes' : 'no'],
          ]}
        />
      </section>
      <section className="panel">
        <h2>Limits</h2>
        <Facts
          of={[
            ['CPUs', info.resources.cpus],
            ['Memory', formatBytes(info.resources.memoryBytes)],
            ['Disk', formatBytes(info.resources.diskBytes)],
            ['Processes', info.resources.maxProcesses],
          ]}
        />
      </section>
      <section className="panel">
        <h2>Network</h2>
        <Facts
          of={[
            ['Outgoing', networkText(info.network)],
            ['Its ports', ingressText(info.ingress)],
          ]}
        />
      </section>
      {Object.keys(info.env).length > 0 && (
        <section className="panel">
          <h2>Environment</h2>
          <pre className="code">
            {Object.entries(info.env)
              .map(([name, value]) => `${name}=${value}`)
              .join('\n')}
          </pre>
        </section>
      )}
    </div>
  )
}

function timeoutText({ timeoutMs, idleTimeoutMs, onTimeout }: TimeoutPolicy): string {
  const parts = [
    timeoutMs === null ? null : `after ${formatDuration(timeoutMs)}`,
    idleTimeoutMs === null ? null : `after ${formatDuration(idleTimeoutMs)} without use`,
  ].filter((part) => part !== null)
  return parts.length === 0 ? 'never' : `${onTimeout} ${parts.join(', or ')}`
}

function networkText({ internet, allow, deny, allowDomains }: NetworkPolicy): string {
  const parts = [internet ? 'internet' : 'no internet']
  if (allow.length > 0) parts.push(`allowed ${allow.join(', ')}`)
  if (deny.length > 0) parts.push(`denied ${deny.join(', ')}`)
  if (allowDomains.length > 0) parts.push(`domains ${allowDomains.join(', ')}`)
  return parts.join('; ')
}

function ingressText({ default: byDefault, ports }: IngressPolicy): string {
  const named = Object.entries(ports).map(([port, access]) => `${port} ${access}`)
  return [byDefault, ...named].join(', ')
}
