import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import type { Volume } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { formatBytes, parseSize, shortId } from '../format.ts'
import { sandboxNameError } from '../names.ts'
import { queries } from '../queries.ts'
import { Copy, Empty } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { ageColumn } from '../ui/columns.tsx'
import type { Column } from '../ui/data-table.tsx'
import { FormDialog } from '../ui/dialog.tsx'
import { TextField } from '../ui/field.tsx'
import { ListPage } from '../ui/list-page.tsx'
import { SandboxLinks } from '../ui/sandbox-links.tsx'
import { Used } from './used.tsx'

export function VolumesPage() {
  const client = useClient()
  const queryClient = useQueryClient()
  const query = useQuery(queries.volumes(client))
  const [creating, setCreating] = useState(false)
  const [deleting, setDeleting] = useState<Volume | null>(null)
  const columns = useMemo(() => columnsFor(setDeleting), [])
  const again = () => queryClient.invalidateQueries({ queryKey: ['volumes'] })
  return (
    <ListPage
      title="Volumes"
      actions={
        <Button look="primary" needs="write" onClick={() => setCreating(true)}>
          New volume
        </Button>
      }
      query={query}
      columns={columns}
      rowId={({ id }) => id}
      find={({ id, name }) => [id, name]}
      empty={
        <Empty
          title="No volume yet"
          text="A volume keeps files beyond the life of the sandboxes that mount it, and shares them between several."
        />
      }
    >
      {creating && <CreateVolumeDialog onCreated={again} onClose={() => setCreating(false)} />}
      {deleting !== null && (
        <FormDialog
          title={`Delete ${deleting.name}?`}
          text="With all that is in it, at once and for good. Refused while a living sandbox mounts it."
          submit="Delete"
          danger
          onSubmit={async () => {
            await client.volumes.delete(deleting.id)
            await again()
          }}
          onClose={() => setDeleting(null)}
        />
      )}
    </ListPage>
  )
}

function columnsFor(remove: (volume: Volume) => void): Column<Volume>[] {
  return [
    {
      id: 'name',
      header: 'Name',
      sort: ({ name }) => name,
      cell: ({ id, name }) => (
        <>
          <span className="name">{name}</span>
          <div className="sub">
            {shortId(id)} <Copy text={id} label={`Copy the id of ${name}`} />
          </div>
        </>
      ),
    },
    { id: 'used', header: 'Used', cell: (volume) => <Used volume={volume} /> },
    {
      id: 'size',
      header: 'Size',
      align: 'number',
      sort: ({ sizeBytes }) => sizeBytes,
      cell: ({ sizeBytes }) => formatBytes(sizeBytes),
    },
    {
      id: 'mounted',
      header: 'Mounted by',
      cell: ({ id }) => <SandboxLinks that={({ volumes }) => volumes.some(({ volumeId }) => volumeId === id)} />,
    },
    ageColumn('Created', ({ createdAt }) => createdAt),
    {
      id: 'actions',
      header: '',
      align: 'end',
      cell: (volume) => (
        <Button look="small danger" needs="write" aria-label={`Delete ${volume.name}`} onClick={() => remove(volume)}>
          Delete
        </Button>
      ),
    },
  ]
}

function CreateVolumeDialog({ onCreated, onClose }: { onCreated: () => Promise<unknown>; onClose: () => void }) {
  const client = useClient()
  const [name, setName] = useState('')
  const [size, setSize] = useState('')
  const nameError = sandboxNameError(name)
  const sizeBytes = size.trim() === '' ? undefined : parseSize(size)
  const sizeError = sizeBytes === null ? 'Write 512M or 20G' : null
  const create = async () => {
    await client.volumes.create({ name, sizeBytes: sizeBytes ?? undefined })
    await onCreated()
  }
  return (
    <FormDialog
      title="New volume"
      text="Sandboxes mount it from their creation on, at a path of their own."
      submit="Create"
      disabled={name === '' || nameError !== null || sizeError !== null}
      onSubmit={create}
      onClose={onClose}
    >
      <TextField label="Name" value={name} onChange={(event) => setName(event.target.value)} error={nameError} />
      <TextField
        label="Size"
        placeholder="10G"
        value={size}
        onChange={(event) => setSize(event.target.value)}
        error={sizeError}
        hint="The most that it holds; what is not used takes no room"
      />
    </FormDialog>
  )
}
