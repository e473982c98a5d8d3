import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { useClient } from '../client.tsx'
import { nameOf } from '../format.ts'
import { queries } from '../queries.ts'
import { FormDialog } from '../ui/dialog.tsx'
import { SelectField, TextField } from '../ui/field.tsx'
import { type CreateForm, EMPTY, errorsOf, requestOf } from './create-form.ts'
import { MoreFields } from './more-fields.tsx'

const ON_TIMEOUT = [
  { value: 'kill', label: 'Kill it' },
  { value: 'pause', label: 'Pause it' },
  { value: 'stop', label: 'Stop it' },
] as const

export function CreateDialog({ onClose }: { onClose: () => void }) {
  const client = useClient()
  const navigate = useNavigate()
  const [form, setForm] = useState<CreateForm>(EMPTY)
  const images = useQuery(queries.images(client))
  const snapshots = useQuery(queries.snapshots(client))
  const change = (changes: Partial<CreateForm>) => setForm((old) => ({ ...old, ...changes }))

  // A name means the latest image that bears it.
  const imageNames = [...new Set(images.data?.filter(({ state }) => state === 'ready').map(({ name }) => name))]
  const options = [
    ...imageNames.map((name) => ({ value: `image ${name}`, label: `Image ${name}` })),
    ...(snapshots.data ?? [])
      .filter(({ state }) => state === 'ready')
      .map((one) => ({ value: `snapshot ${one.id}`, label: `Snapshot ${nameOf(one)} (${one.kind})` })),
  ]
  const source = form.source === '' ? (options[0]?.value ?? '') : form.source
  const errors = errorsOf(form)
  const broken = Object.values(errors).some((error) => error !== null)

  const create = async () => {
    const sandbox = await client.sandboxes.create(requestOf(form, source, ZONE))
    await navigate({ to: '/sandboxes/$id', params: { id: sandbox.id } })
  }
  const text = (name: 'name' | 'cpus' | 'memory' | 'disk' | 'timeout') => ({
    value: form[name],
    onChange: (event: { target: { value: string } }) => change({ [name]: event.target.value }),
    error: errors[name] ?? null,
  })
  return (
    <FormDialog
      title="New sandbox"
      submit="Create"
      disabled={broken || source === ''}
      onSubmit={create}
      onClose={onClose}
    >
      {options.length === 0 && images.data !== undefined ? (
        <div className="notice warn">There is no image yet: pull or build one on the page Images.</div>
      ) : (
        <SelectField label="From" value={source} onChange={(value) => change({ source: value })} options={options} />
      )}
      <TextField label="Name" {...text('name')} hint="Unique among the living ones; may be left empty" />
      <div className="field-row three">
        <TextField label="CPUs" placeholder="default" inputMode="decimal" {...text('cpus')} />
        <TextField label="Memory" placeholder="default" {...text('memory')} />
        <TextField label="Disk" placeholder="default" {...text('disk')} />
      </div>
      <div className="field-row">
        <TextField label="Timeout" placeholder="never" {...text('timeout')} hint="30m, 2h, 1d" />
        <SelectField
          label="Then"
          value={form.onTimeout}
          onChange={(value) => change({ onTimeout: ON_TIMEOUT.find((one) => one.value === value)?.value ?? 'kill' })}
          options={ON_TIMEOUT}
        />
      </div>
      <MoreFields form={form} errors={errors} change={change} zone={ZONE} />
    </FormDialog>
  )
}

const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone
