import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import type { Registry } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { queries } from '../queries.ts'
import { Empty, None } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { ageColumn, menuColumn } from '../ui/columns.tsx'
import type { Column } from '../ui/data-table.tsx'
import { FormDialog } from '../ui/dialog.tsx'
import { ListPage } from '../ui/list-page.tsx'
import { RegistryDialog } from './registry-dialog.tsx'

type Asking = { for: 'create' } | { for: 'edit' | 'delete'; registry: Registry }

export function RegistriesPage() {
  const client = useClient()
  const queryClient = useQueryClient()
  const query = useQuery(queries.registries(client))
  const [asking, setAsking] = useState<Asking | null>(null)
  const columns = useMemo(() => columnsFor(setAsking), [])
  const again = () => queryClient.invalidateQueries({ queryKey: ['registries'] })
  const close = () => setAsking(null)
  return (
    <ListPage
      title="Registries"
      actions={
        <Button look="primary" needs="write" onClick={() => setAsking({ for: 'create' })}>
          New registry
        </Button>
      }
      query={query}
      columns={columns}
      rowId={({ id }) => id}
      find={({ name, url, username }) => [name, url, username]}
      empty={
        <Empty
          title="No registry yet"
          text="Store as whom images are pulled from a private registry, and snapshots pushed there. Public ones need none."
        />
      }
    >
      {asking?.for === 'create' && <RegistryDialog registry={null} onSaved={again} onClose={close} />}
      {asking?.for === 'edit' && <RegistryDialog registry={asking.registry} onSaved={again} onClose={close} />}
      {asking?.for === 'delete' && (
        <FormDialog
          title={`Delete ${asking.registry.name}?`}
          text="Its password is forgotten. Images that came from it stay."
          submit="Delete"
          danger
          onSubmit={async () => {
            await client.registries.delete(asking.registry.id)
            await again()
          }}
          onClose={close}
        />
      )}
    </ListPage>
  )
}

function columnsFor(ask: (asking: Asking) => void): Column<Registry>[] {
  return [
    {
      id: 'name',
      header: 'Name',
      sort: ({ name }) => name,
      cell: ({ name }) => <span className="name">{name}</span>,
    },
    { id: 'url', header: 'Address', sort: ({ url }) => url, cell: ({ url }) => <code>{url}</code> },
    { id: 'user', header: 'User', sort: ({ username }) => username, cell: ({ username }) => username ?? <None /> },
    ageColumn('Changed', ({ updatedAt }) => updatedAt),
    menuColumn(
      (registry) => registry.name,
      (registry) => [
        { label: 'Change', needs: 'write', onSelect: () => ask({ for: 'edit', registry }) },
        { label: 'Delete', needs: 'write', danger: true, onSelect: () => ask({ for: 'delete', registry }) },
      ],
    ),
  ]
}
