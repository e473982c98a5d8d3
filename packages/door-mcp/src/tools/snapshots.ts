import type { Snapshot } from '@spawnpoint/core'
import { z } from 'zod'
import { DESTROYS, MAKES, READS, type Tool, tool } from '../tool.ts'
import { after, iso, PAGE, sandboxRef, snapshotRef } from './fields.ts'

export function snapshotTools(): Tool[] {
  return [
    tool({
      name: 'take_snapshot',
      description:
        'Captures a running sandbox at this moment while it runs on. `memory` has its running programs and files, `filesystem` the files alone. Later create sandboxes from it, or roll the sandbox back to it.',
      input: z.object({
        sandbox: sandboxRef,
        name: z.string().min(1).max(128).optional().describe('May be used again; lower case'),
        kind: z.enum(['memory', 'filesystem']).default('memory'),
      }),
      annotations: MAKES,
      async run({ sandbox, name, kind }, { api, by }) {
        return shown(await (await api.snapshots.create(by, sandbox, { kind, name })).done)
      },
    }),
    tool({
      name: 'list_snapshots',
      description: 'Lists snapshots, the newest first, of all sandboxes or of one.',
      input: z.object({ sandbox: sandboxRef.optional(), name: z.string().max(128).optional(), after }),
      annotations: READS,
      async run({ sandbox, name, after }, { api, by }) {
        const page = await api.snapshots.list(by, { sandbox, name }, { limit: PAGE, after })
        return { snapshots: page.items.map(shown), next: page.next }
      },
    }),
    tool({
      name: 'delete_snapshot',
      description:
        'Deletes a snapshot. Sandboxes made from it live on. Until `restorable_until` it can be brought back with `restore_snapshot`; none if it is gone at once.',
      input: z.object({ snapshot: snapshotRef }),
      annotations: DESTROYS,
      async run({ snapshot }, { api, by }) {
        const { id } = await api.snapshots.get(by, snapshot)
        const trashed = await api.snapshots.delete(by, id)
        return { deleted: id, restorable_until: iso(trashed?.purgeAt ?? null) }
      },
    }),
    tool({
      name: 'restore_snapshot',
      description: 'Brings a deleted snapshot back. By a name: the latest of that name that was deleted.',
      input: z.object({ snapshot: snapshotRef }),
      annotations: MAKES,
      async run({ snapshot }, { api, by }) {
        return shown(await api.snapshots.undelete(by, snapshot))
      },
    }),
  ]
}

function shown(snapshot: Snapshot) {
  return {
    id: snapshot.id,
    name: snapshot.name,
    kind: snapshot.kind,
    state: snapshot.state,
    failure: snapshot.failure,
    sandbox: snapshot.sandboxId,
    parent: snapshot.parentId,
    size_mib: Math.round(snapshot.sizeBytes / 2 ** 20),
    created: iso(snapshot.createdAt),
    expires: iso(snapshot.expiresAt),
  }
}
