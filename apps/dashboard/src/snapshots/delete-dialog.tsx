import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import type { DeletePlan, Snapshot } from 'spawnpoint'
import { formatBytes, nameOf } from '../format.ts'
import { Age, Answer, Facts } from '../ui/bits.tsx'
import { FormDialog } from '../ui/dialog.tsx'
import { CheckField } from '../ui/field.tsx'
import { say } from '../ui/toasts.tsx'

/** Shows what the deletion would do before it does anything. */
export function DeleteDialog({ snapshot, onClose }: { snapshot: Snapshot; onClose: () => void }) {
  const inTrash = snapshot.state === 'trashed'
  const [permanent, setPermanent] = useState(inTrash)
  const plan = useQuery({
    queryKey: ['snapshots', snapshot.id, 'delete-plan', permanent],
    queryFn: () => snapshot.deletePlan({ permanent }),
    staleTime: 0,
    // The old one until the new one is here, so that the dialog does not jump.
    placeholderData: (before) => before,
  })
  const remove = async () => {
    await snapshot.delete({ permanent })
    say(permanent ? 'Deleted for good' : 'In the trash')
  }
  return (
    <FormDialog
      title={inTrash ? `Delete ${nameOf(snapshot)} for good?` : `Delete ${nameOf(snapshot)}?`}
      submit={permanent ? 'Delete for good' : 'Delete'}
      danger
      disabled={plan.data === undefined || plan.data.blocked !== null}
      onSubmit={remove}
      onClose={onClose}
    >
      <Answer query={plan}>{(data) => <Plan plan={data} />}</Answer>
      {!inTrash && (
        <CheckField
          label="At once and for good"
          hint="Otherwise it lies in the trash for a while, from where it can be brought back"
          checked={permanent}
          onChange={setPermanent}
        />
      )}
    </FormDialog>
  )
}

function Plan({ plan: { blocked, wouldFreeBytes, purgeAt, dependents, waitsFor } }: { plan: DeletePlan }) {
  const names = (things: readonly { id: string; name: string | null }[]) =>
    things.length === 0 ? 'none' : `${things.slice(0, 8).map(nameOf).join(', ')}${things.length > 8 ? ', …' : ''}`
  const { sandboxes, snapshots, images, tags } = dependents
  return (
    <>
      {blocked !== null && <div className="notice warn">{blocked}</div>}
      <div className="plan">
        <Facts
          of={[
            ['Would free', formatBytes(wouldFreeBytes)],
            ['Gone for good', purgeAt === null ? 'at once' : <Age key="purge" at={purgeAt} />],
            ['Sandboxes from it', sandboxes.length === 0 ? 'none' : `${names(sandboxes)}; they live on`],
            ['Snapshots of those', names(snapshots)],
            ...(images.length > 0 ? [['Images', names(images)] as [string, string]] : []),
            ...(tags.length > 0
              ? [['Tags', tags.map(({ name, tag }) => `${name}:${tag}`).join(', ')] as [string, string]]
              : []),
            ...(waitsFor.length > 0
              ? [['Waits for', waitsFor.map(({ kind }) => kind).join(', ')] as [string, string]]
              : []),
          ]}
        />
      </div>
    </>
  )
}
