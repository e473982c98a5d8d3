import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { Team } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { durationText, parseDuration } from '../format.ts'
import { FormDialog } from '../ui/dialog.tsx'
import { TextField } from '../ui/field.tsx'

export function TeamDialog({ team, onClose }: { team: Team; onClose: () => void }) {
  const client = useClient()
  const queryClient = useQueryClient()
  const [retention, setRetention] = useState(
    team.snapshotRetentionMs === null ? '' : durationText(team.snapshotRetentionMs),
  )
  const [trash, setTrash] = useState(durationText(team.trashMs))
  const retentionMs = retention.trim() === '' ? null : parseDuration(retention)
  const trashMs = parseDuration(trash)
  const retentionError = retention.trim() !== '' && !retentionMs ? 'Write 12h or 30d' : null
  const trashError = trashMs === null ? 'Write 24h, or 0 for no trash' : null
  const save = async () => {
    await client.keys.updateTeam({ snapshotRetentionMs: retentionMs, trashMs: trashMs ?? undefined })
    await queryClient.invalidateQueries({ queryKey: ['team'] })
  }
  return (
    <FormDialog
      title="Settings of the team"
      submit="Save"
      disabled={retentionError !== null || trashError !== null}
      onSubmit={save}
      onClose={onClose}
    >
      <TextField
        label="Keep snapshots for"
        placeholder="for ever"
        value={retention}
        onChange={(event) => setRetention(event.target.value)}
        error={retentionError}
        hint="Unless told otherwise when they are taken; empty: for ever"
      />
      <TextField
        label="Keep deleted ones in the trash for"
        value={trash}
        onChange={(event) => setTrash(event.target.value)}
        error={trashError}
      />
    </FormDialog>
  )
}
