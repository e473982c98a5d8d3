import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import type { Secret } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { queries } from '../queries.ts'
import { Empty } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { ageColumn, menuColumn } from '../ui/columns.tsx'
import type { Column } from '../ui/data-table.tsx'
import { FormDialog } from '../ui/dialog.tsx'
import { ListPage } from '../ui/list-page.tsx'
import { SandboxLinks } from '../ui/sandbox-links.tsx'
import { SetSecretDialog } from './set-dialog.tsx'
import { usesSecret } from './uses.ts'

type Asking = { for: 'create' } | { for: 'edit' | 'delete'; secret: Secret }

/** Names, hosts and versions; a value goes in and never comes out. */
export function SecretsPage() {
  const client = useClient()
  const queryClient = useQueryClient()
  const query = useQuery(queries.secrets(client))
  const [asking, setAsking] = useState<Asking | null>(null)
  const columns = useMemo(() => columnsFor(setAsking), [])
  const again = () => queryClient.invalidateQueries({ queryKey: ['secrets'] })
  const close = () => setAsking(null)
  return (
    <ListPage
      title="Secrets"
      actions={
        <Button look="primary" needs="write" onClick={() => setAsking({ for: 'create' })}>
          New secret
        </Button>
      }
      query={query}
      columns={columns}
      rowId={({ name }) => name}
      find={({ name, hosts }) => [name, ...hosts]}
      empty={
        <Empty
          title="No secret yet"
          text="Credentials of sandboxes refer to a secret as {NAME}, and put it into requests after these have left the sandbox. Its value is stored encrypted and shown to nobody."
        />
      }
    >
      {asking?.for === 'create' && <SetSecretDialog secret={null} onSaved={again} onClose={close} />}
      {asking?.for === 'edit' && <SetSecretDialog secret={asking.secret} onSaved={again} onClose={close} />}
      {asking?.for === 'delete' && (
        <FormDialog
          title={`Delete ${asking.secret.name}?`}
          text="Requests that need it are refused from then on."
          submit="Delete"
          danger
          onSubmit={async () => {
            await client.secrets.delete(asking.secret.name)
            await again()
          }}
          onClose={close}
        />
      )}
    </ListPage>
  )
}

function columnsFor(ask: (asking: Asking) => void): Column<Secret>[] {
  return [
    { id: 'name', header: 'Name', sort: ({ name }) => name, cell: ({ name }) => <code className="name">{name}</code> },
    {
      id: 'hosts',
      header: 'Only to',
      cell: ({ hosts }) => (hosts.length === 0 ? 'all hosts of its rules' : <code>{hosts.join(', ')}</code>),
    },
    {
      id: 'version',
      header: 'Version',
      align: 'number',
      sort: ({ version }) => version,
      cell: ({ version }) => version,
    },
    ageColumn('Changed', ({ updatedAt }) => updatedAt),
    { id: 'used', header: 'Used by', cell: ({ name }) => <SandboxLinks that={usesSecret(name)} /> },
    menuColumn(
      (secret) => secret.name,
      (secret) => [
        { label: 'Set', needs: 'write', onSelect: () => ask({ for: 'edit', secret }) },
        { label: 'Delete', needs: 'write', danger: true, onSelect: () => ask({ for: 'delete', secret }) },
      ],
    ),
  ]
}
