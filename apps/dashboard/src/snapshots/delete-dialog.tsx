import type { Snapshot } from 'spawnpoint'
import { nameOf } from '../format.ts'
import { FormDialog } from '../ui/dialog.tsx'
import { say } from '../ui/toasts.tsx'

export function DeleteDialog({ snapshot, onClose }: { snapshot: Snapshot; onClose: () => void }) {
  const remove = async () => {
    await snapshot.delete()
    say('Deleted')
  }
  return (
    <FormDialog
      title={`Delete ${nameOf(snapshot)}?`}
      text="Sandboxes started from it live on."
      submit="Delete"
      danger
      onSubmit={remove}
      onClose={onClose}
    />
  )
}
