import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import type { Sandbox } from 'spawnpoint'
import { nameOf } from '../format.ts'
import { FormDialog } from '../ui/dialog.tsx'
import { TextField } from '../ui/field.tsx'
import { say } from '../ui/toasts.tsx'

const MOST = 100

export function ForkDialog({ sandbox, onClose }: { sandbox: Sandbox; onClose: () => void }) {
  const [count, setCount] = useState('1')
  const navigate = useNavigate()
  const number = /^\d+$/.test(count) ? Number(count) : 0
  const error = number >= 1 && number <= MOST ? null : `A number from 1 to ${MOST}`
  const fork = async () => {
    const children = await sandbox.fork(number)
    say(children.length === 1 ? 'Forked' : `${children.length} forks run`)
    const [only, ...more] = children
    if (only !== undefined && more.length === 0) await navigate({ to: '/sandboxes/$id', params: { id: only.id } })
  }
  return (
    <FormDialog
      title={`Fork ${nameOf(sandbox)}`}
      text="New sandboxes that go on from this one as it is now, with its memory and files."
      submit="Fork"
      disabled={error !== null}
      onSubmit={fork}
      onClose={onClose}
    >
      <TextField
        label="How many"
        inputMode="numeric"
        value={count}
        onChange={(event) => setCount(event.target.value)}
        error={error}
      />
    </FormDialog>
  )
}
