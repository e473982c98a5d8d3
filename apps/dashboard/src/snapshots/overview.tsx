import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import type { Receipt } from 'spawnpoint'
import { formatBytes, formatDuration, shortId } from '../format.ts'
import { RemotesPanel } from '../sandboxes/remotes.tsx'
import { Age, Copy, Facts, Labels } from '../ui/bits.tsx'
import { useSnapshot } from './detail.tsx'

export function SnapshotOverviewTab() {
  const { id, info, receipt } = useSnapshot()
  const { storage, requirements } = info
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
            ['Kind', info.kind],
            [
              'Taken of',
              <Link key="sandbox" to="/sandboxes/$id" params={{ id: info.sandboxId }}>
                {shortId(info.sandboxId)}
              </Link>,
            ],
            [
              'Which came from',
              info.parentId === null ? (
                'an image'
              ) : (
                <Link key="parent" to="/snapshots/$id" params={{ id: info.parentId }}>
                  {shortId(info.parentId)}
                </Link>
              ),
            ],
            ['By schedule', info.scheduleId === null ? 'no' : shortId(info.scheduleId)],
            ['Labels', Object.keys(info.labels).length === 0 ? '–' : <Labels key="labels" labels={info.labels} />],
          ]}
        />
      </section>
      <section className="panel">
        <h2>Time and trust</h2>
        <Facts
          of={[
            ['Created', <Age key="created" at={info.createdAt} />],
            ['Ready', <Age key="ready" at={info.readyAt} />],
            ['Expires', info.pinned ? 'not: it is pinned' : <Age key="expires" at={info.expiresAt} />],
            ['Read back and whole', <Age key="checked" at={info.checkedAt} />],
            ['Started for a trial', <Age key="verified" at={info.verifiedAt} />],
            ...(info.trashedAt === null
              ? []
              : [['In the trash since', <Age key="trashed" at={info.trashedAt} />] as [string, ReactNode]]),
          ]}
        />
      </section>
      {receipt !== null && <ReceiptPanel receipt={receipt} />}
      {info.remotes.length > 0 && <RemotesPanel remotes={info.remotes} />}
      <section className="panel">
        <h2>Size and what it needs</h2>
        <Facts
          of={[
            ['Size', formatBytes(info.sizeBytes)],
            ['Its own', storage === null ? 'not measured yet' : formatBytes(storage.uniqueBytes)],
            ['Shared with others', storage === null ? 'not measured yet' : formatBytes(storage.sharedBytes)],
            ['CPUs', info.resources.cpus],
            ['Memory', formatBytes(info.resources.memoryBytes)],
            ['Runtime', requirements === null ? '–' : `${requirements.runtime} ${requirements.runtimeVersion}`],
          ]}
        />
      </section>
    </div>
  )
}

function ReceiptPanel({ receipt }: { receipt: Receipt }) {
  return (
    <section className="panel">
      <h2>What it cost</h2>
      <Facts
        of={[
          ['Stood still', formatDuration(receipt.standstillMs)],
          ['Took', formatDuration(receipt.totalMs)],
          ['Memory', formatBytes(receipt.memoryBytes)],
          ['Files', formatBytes(receipt.filesystemBytes)],
          ['New in the store', formatBytes(receipt.newlyStoredBytes)],
          ['Consistency', receipt.consistency],
          ...receipt.hooks.map(
            (hook) => [`Hook ${hook.name}`, `${hook.outcome}, ${formatDuration(hook.durationMs)}`] as [string, string],
          ),
        ]}
      />
      <details className="more below">
        <summary>Steps</summary>
        <Facts of={receipt.steps.map(({ step, ms }) => [step, formatDuration(ms)])} />
      </details>
    </section>
  )
}
