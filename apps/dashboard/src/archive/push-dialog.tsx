import { type ReactNode, useState } from 'react'
import type { LongOptions, OperationProgress, Push, Pushed } from 'spawnpoint'
import { messageOf } from '../client.tsx'
import { formatBytes } from '../format.ts'
import { Copy, Facts } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { say, sayError } from '../ui/toasts.tsx'
import { EMPTY_PLACE, isComplete, PlaceFields, placeOf } from './place-fields.tsx'
import { ProgressLine } from './progress-line.tsx'

interface PushDialogProps {
  title: string
  text: ReactNode
  push: (request: Push, options: LongOptions) => Promise<Pushed>
  onClose: () => void
}

type Status = { at: 'form'; error?: string } | { at: 'under way' } | { at: 'done'; pushed: Pushed }

/** Asks where to, shows how far it is, and what is there at the end. It goes on when the dialog is closed. */
export function PushDialog({ title, text, push, onClose }: PushDialogProps) {
  const [place, setPlace] = useState(EMPTY_PLACE)
  const [status, setStatus] = useState<Status>({ at: 'form' })
  const [progress, setProgress] = useState<OperationProgress | null>(null)
  const [closed] = useState({ yes: false })
  const close = () => {
    closed.yes = true
    onClose()
  }
  const send = async () => {
    setStatus({ at: 'under way' })
    try {
      const pushed = await push(placeOf(place), { onProgress: (change) => setProgress(change.progress) })
      if (closed.yes) say('Pushed', pushed.reference)
      else setStatus({ at: 'done', pushed })
    } catch (error) {
      if (closed.yes) sayError('The push failed', error)
      else setStatus({ at: 'form', error: messageOf(error) })
    }
  }
  if (status.at === 'done')
    return (
      <Dialog title="Pushed" onClose={close}>
        <Outcome pushed={status.pushed} />
        <div className="dialog-foot">
          <Button look="primary" onClick={close}>
            Done
          </Button>
        </div>
      </Dialog>
    )
  const underWay = status.at === 'under way'
  return (
    <Dialog title={title} text={text} onClose={close}>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault()
          event.stopPropagation()
          void send()
        }}
      >
        <PlaceFields place={place} onChange={setPlace} disabled={underWay} direction="to" />
        {status.at === 'form' && status.error !== undefined && (
          <div className="notice bad" role="alert">
            {status.error}
          </div>
        )}
        {underWay && <ProgressLine progress={progress} />}
        <div className="dialog-foot">
          <Button onClick={close}>{underWay ? 'Close; it goes on' : 'Cancel'}</Button>
          <Button type="submit" look="primary" disabled={underWay || !isComplete(place)}>
            {underWay ? 'Pushing…' : 'Push'}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

function Outcome({ pushed: { reference, digest, sizeBytes } }: { pushed: Pushed }) {
  const copied = (text: string, label: string) => (
    <span className="copy" key={label}>
      <code>{text}</code>
      <Copy text={text} label={label} />
    </span>
  )
  return (
    <Facts
      of={[
        ['Reference', copied(reference, 'Copy the reference')],
        ['Digest', copied(digest, 'Copy the digest')],
        ['Packed', formatBytes(sizeBytes)],
      ]}
    />
  )
}
