import type { ReactNode } from 'react'
import { Copy } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'

interface SecretDialogProps {
  title: string
  secret: string
  children: ReactNode
  onClose: () => void
}

/** Shows a key for the only time. */
export function SecretDialog({ title, secret, children, onClose }: SecretDialogProps) {
  return (
    <Dialog title={title} text={children} onClose={onClose}>
      <p className="copy secret">
        <code>{secret}</code> <Copy text={secret} label="Copy the key" />
      </p>
      <div className="dialog-foot">
        <Button look="primary" onClick={onClose}>
          Done
        </Button>
      </div>
    </Dialog>
  )
}
