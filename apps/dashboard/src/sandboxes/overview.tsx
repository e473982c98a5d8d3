import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import type { IngressPolicy, NetworkPolicy, TimeoutPolicy, VolumeMount } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { formatBytes, formatDuration, shortId } from '../format.ts'
import { pairsText } from '../names.ts'
import { queries } from '../queries.ts'
import { Age, Copy, Facts, Labels } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { IdentityDialog, NetworkDialog, TimeDialog } from './change-dialogs.tsx'
import { useSandbox } from './detail.tsx'
import { RemotesPanel } from './remotes.tsx'

type Part = 'identity' | 'time' | 'network'

export function OverviewTab() {
  const sandbox = useSandbox()
  const { id, info } = sandbox
  const [changing, setChanging] = useState<Part | null>(null)
  const close = () => setChanging(null)
  // A killed one is a record of what was.
  const changer = (part: Part) =>
    info.state !== 'killed' && (
      <Button look="small" needs="write" onClick={() => setChanging(part)} aria-label={`Change ${part}`}>
        Change
      </Button>
    )
  const parent = info.parentSandboxId
  return (
    <div className="grid-2">
      <section className="panel">
        <div className="panel-head">
          <h2>Identity</h2>
          {changer('identity')}
        </div>
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
              info.originSnapshotId === null ? (
                'the image'
              ) : (
                <Link key="origin" to="/snapshots/$id" params={{ id: info.originSnapshotId }}>
                  snapshot {shortId(info.originSnapshotId)}
                </Link>
              ),
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
        <div className="panel-head">
          <h2>Time</h2>
          {changer('time')}
        </div>
        <Facts
          of={[
            ['Created', <Age key="created" at={info.createdAt} />],
            ['This life began', <Age key="started" at={info.startedAt} />],
            ['Rests since', <Age key="halted" at={info.haltedAt} />],
            ['Expires', <Age key="expires" at={info.expiresAt} />],
            ['Timeout', timeoutText(info.timeout)],
            ['Wakes by use', info.timeout.autoResume ? 'yes' : 'no'],
            ...(info.timeout.deleteAfterMs === null
              ? []
              : [['Killed after resting', formatDuration(info.timeout.deleteAfterMs)] as [string, string]]),
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
        <div className="panel-head">
          <h2>Network</h2>
          {changer('network')}
        </div>
        <Facts
          of={[
            ['Outgoing', networkText(info.network)],
            ['Its ports', ingressText(info.ingress)],
          ]}
        />
      </section>
      {info.volumes.length > 0 && (
        <section className="panel">
          <h2>Volumes</h2>
          <Facts of={info.volumes.map((mount) => [mount.path, <Mounted key={mount.path} mount={mount} />])} />
        </section>
      )}
      {info.remotes.length > 0 && <RemotesPanel remotes={info.remotes} />}
      {Object.keys(info.env).length > 0 && (
        <section className="panel">
          <h2>Environment</h2>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, which the keyboard must be able to */}
          <pre className="code" tabIndex={0}>
            {pairsText(info.env)}
          </pre>
        </section>
      )}
      {changing === 'identity' && <IdentityDialog sandbox={sandbox} onClose={close} />}
      {changing === 'time' && <TimeDialog sandbox={sandbox} onClose={close} />}
      {changing === 'network' && <NetworkDialog sandbox={sandbox} onClose={close} />}
    </div>
  )
}

function Mounted({ mount: { volumeId, readOnly } }: { mount: VolumeMount }) {
  const { data } = useQuery(queries.volumes(useClient()))
  const name = data?.find(({ id }) => id === volumeId)?.name ?? shortId(volumeId)
  return (
    <>
      <Link to="/volumes">{name}</Link>
      {readOnly && <span className="sub"> read only</span>}
    </>
  )
}

function timeoutText({ timeoutMs, idleTimeoutMs, onTimeout }: TimeoutPolicy): string {
  const parts = [
    timeoutMs === null ? null : `after ${formatDuration(timeoutMs)}`,
    idleTimeoutMs === null ? null : `after ${formatDuration(idleTimeoutMs)} without use`,
  ].filter((part) => part !== null)
  return parts.length === 0 ? 'never' : `${onTimeout} ${parts.join(', or ')}`
}

function networkText({ internet, allow, deny, allowDomains, denyDomains = [] }: NetworkPolicy): string {
  const parts = [internet ? 'internet' : 'no internet']
  if (allow.length > 0) parts.push(`allowed ${allow.join(', ')}`)
  if (deny.length > 0) parts.push(`denied ${deny.join(', ')}`)
  if (allowDomains.length > 0) parts.push(`domains ${allowDomains.join(', ')}`)
  if (denyDomains.length > 0) parts.push(`denied domains ${denyDomains.join(', ')}`)
  return parts.join('; ')
}

function ingressText({ default: byDefault, ports }: IngressPolicy): string {
  const named = Object.entries(ports).map(([port, access]) => `${port} ${access}`)
  return [byDefault, ...named].join(', ')
}
