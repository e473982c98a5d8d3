import { Dialog as Base } from '@base-ui/react/dialog'
import { type FormEvent, type ReactNode, useState } from 'react'
import type { Scope } from 'spawnpoint'
import { messageOf } from '../client.tsx'
import { Button } from './button.tsx'

interface DialogProps {
  title: string
  text?: ReactNode
  wide?: boolean
  onClose: () => void
  children: ReactNode
}

/** Shown while it is rendered. */
export function Dialog({ title, text, wide = false, onClose, children }: DialogProps) {
  return (
    <Base.Root open onOpenChange={(open) => !open && onClose()}>
      <Base.Portal>
        <Base.Backdrop className="backdrop" />
        <Base.Popup className={wide ? 'dialog wide' : 'dialog'}>
          <Base.Title className="dialog-title">{title}</Base.Title>
          {text !== undefined && (
            <Base.Description className="dialog-text" render={<div />}>
              {text}
            </Base.Description>
          )}
          {children}
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  )
}

interface FormDialogProps extends Omit<DialogProps, 'children'> {
  /** What its button says */
  submit: string
  danger?: boolean
  disabled?: boolean
  /** As a button's, where the dialog opens for who may only look */
  needs?: Scope | undefined
  /** The dialog closes when it resolves, and shows why if it rejects */
  onSubmit: () => Promise<unknown>
  children?: ReactNode
}

export function FormDialog({
  submit,
  danger = false,
  disabled = false,
  needs,
  onSubmit,
  children,
  ...dialog
}: FormDialogProps) {
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<string | null>(null)
  const send = async (event: FormEvent) => {
    event.preventDefault()
    // Not the form around this one's portal either.
    event.stopPropagation()
    setBusy(true)
    setError(null)
    try {
      await onSubmit()
      dialog.onClose()
    } catch (thrown) {
      setError(messageOf(thrown))
      setBusy(false)
    }
  }
  return (
    <Dialog {...dialog}>
      <form onSubmit={send} noValidate>
        {children}
        {error !== null && (
          <div className="notice bad" role="alert">
            {error}
          </div>
        )}
        <div className="dialog-foot">
          <Button onClick={dialog.onClose}>Cancel</Button>
          <Button type="submit" look={danger ? 'danger primary' : 'primary'} needs={needs} disabled={busy || disabled}>
            {busy ? 'Working…' : submit}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
