import type { Command } from 'commander'
import type { SnapshotInfo } from 'spawnpoint'
import { formatAge, formatBytes, formatDuration } from '../../output/units.ts'
import { verb } from '../../verb.ts'
import { pairsText } from '../image/show.ts'

export function addShow(parent: Command): void {
  verb(parent, 'show <snapshot>', 'one snapshot with its receipt', async (cli, _options, ref: string) => {
    const { info } = await cli.client.snapshots.get(ref)
    await cli.fields(info, [
      ['id', info.id],
      ['name', info.name],
      ['kind', info.kind],
      ['state', info.state],
      ['failure', info.failure],
      ['sandbox', info.sandboxId],
      ['parent', info.parentId],
      ['image', info.imageId],
      ['disk', formatBytes(info.resources.diskBytes)],
      ['env', pairsText(info.env)],
      ['generation', String(info.generation)],
      ['size', formatBytes(info.sizeBytes)],
      ['alone', info.storage === null ? null : formatBytes(info.storage.uniqueBytes)],
      ['shared', info.storage === null ? null : formatBytes(info.storage.sharedBytes)],
      ['checked', info.checkedAt === null ? null : formatAge(info.checkedAt)],
      ['drilled', info.verifiedAt === null ? null : formatAge(info.verifiedAt)],
      ['wrong', info.checkFailure],
      ['labels', pairsText(info.labels)],
      ['created', `${info.createdAt.toISOString()} (${formatAge(info.createdAt)})`],
      ['expires', info.expiresAt === null ? null : formatAge(info.expiresAt)],
      ['gone', info.purgeAt === null ? null : formatAge(info.purgeAt)],
      ...receiptFields(info),
      ['needs', needsText(info)],
    ])
  })
}

function receiptFields({ receipt }: SnapshotInfo): [string, string][] {
  if (receipt === null) return []
  return [
    ['standstill', formatDuration(receipt.standstillMs)],
    ['took', formatDuration(receipt.totalMs)],
    ['steps', receipt.steps.map(({ step, ms }) => `${step} ${formatDuration(ms)}`).join(', ')],
    ['memory', formatBytes(receipt.memoryBytes)],
    ['filesystem', formatBytes(receipt.filesystemBytes)],
    ['newly stored', formatBytes(receipt.newlyStoredBytes)],
    ['consistency', receipt.consistency],
    ...receipt.hooks.map(({ name, outcome, durationMs }): [string, string] => [
      `hook ${name}`,
      `${outcome} in ${formatDuration(durationMs)}`,
    ]),
  ]
}

function needsText({ requirements }: SnapshotInfo): string | null {
  return requirements === null ? null : `${requirements.runtime} ${requirements.runtimeVersion}`
}
