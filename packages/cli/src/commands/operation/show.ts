import type { Command } from 'commander'
import { formatAge } from '../../output/units.ts'
import { verb } from '../../verb.ts'

export function addShow(parent: Command): void {
  verb(
    parent,
    'show <operation>',
    'one operation',
    async (cli, options, id: string) => {
      if (options.follow) {
        for await (const { operation, progress } of cli.client.operations.follow(id)) {
          const text = [operation.phase, progress?.step, progress?.line].filter(Boolean).join(': ')
          if (operation.state === 'open') await cli.note(text)
        }
      }
      const operation = await cli.client.operations.get(id)
      await cli.fields(operation, [
        ['id', operation.id],
        ['kind', operation.kind],
        ['state', operation.state],
        ['phase', operation.phase],
        ['sandbox', operation.sandboxId],
        ['snapshot', operation.snapshotId],
        ['image', operation.imageId],
        ['error', operation.error === null ? null : `${operation.error.code}: ${operation.error.message}`],
        ['started', `${operation.createdAt.toISOString()} (${formatAge(operation.createdAt)})`],
        ['ended', operation.endedAt?.toISOString()],
      ])
    },
    (command) => command.option('-f, --follow', 'wait for its end'),
  )
}
