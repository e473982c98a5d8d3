import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import type { ApiKey, Scope } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { queries } from '../queries.ts'
import { Chips, None } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { ageColumn } from '../ui/columns.tsx'
import type { Column } from '../ui/data-table.tsx'
import { FormDialog } from '../ui/dialog.tsx'
import { CheckField, TextField } from '../ui/field.tsx'
import { ListPage } from '../ui/list-page.tsx'
import { SecretDialog } from './secret-dialog.tsx'

export function KeysPage() {
  const client = useClient()
  const queryClient = useQueryClient()
  const query = useQuery(queries.keys(client))
  const [creating, setCreating] = useState(false)
  const [revoking, setRevoking] = useState<ApiKey | null>(null)
  const [secret, setSecret] = useState<string | null>(null)
  const columns = useMemo(() => columnsFor(setRevoking), [])
  const again = () => queryClient.invalidateQueries({ queryKey: ['keys'] })
  return (
    <ListPage
      title="Keys"
      heading="API keys"
      actions={
        <Button look="primary" needs="admin" onClick={() => setCreating(true)}>
          New key
        </Button>
      }
      query={query}
      columns={columns}
      rowId={({ id }) => id}
      find={({ name, member, hint, scopes }) => [name, member, hint, ...scopes]}
      empty="None."
    >
      {creating && (
        <CreateKeyDialog
          onCreated={async (made) => {
            setSecret(made)
            await again()
          }}
          onClose={() => setCreating(false)}
        />
      )}
      {secret !== null && (
        <SecretDialog title="The new key" secret={secret} onClose={() => setSecret(null)}>
          It is shown this once; the server keeps only its hash.
        </SecretDialog>
      )}
      {revoking !== null && (
        <FormDialog
          title={`Revoke ${revoking.name}?`}
          text="Whatever uses it is refused from then on."
          submit="Revoke"
          danger
          onSubmit={async () => {
            await client.keys.revoke(revoking.id)
            await again()
          }}
          onClose={() => setRevoking(null)}
        />
      )}
    </ListPage>
  )
}

const SCOPES: { scope: Scope; label: string; hint: string }[] = [
  { scope: 'read', label: 'read', hint: 'Look at everything, files in sandboxes included' },
  { scope: 'write', label: 'write', hint: 'That, and make, change, use and delete' },
  { scope: 'admin', label: 'admin', hint: 'Keys, settings of the team, its audit log' },
  { scope: 'server', label: 'server', hint: 'All teams of the server, and their limits' },
]

function CreateKeyDialog({
  onCreated,
  onClose,
}: {
  onCreated: (secret: string) => Promise<void>
  onClose: () => void
}) {
  const client = useClient()
  const [name, setName] = useState('')
  const [member, setMember] = useState('')
  const [scopes, setScopes] = useState<ReadonlySet<Scope>>(new Set<Scope>(['read', 'write']))
  const create = async () => {
    const whose = member.trim() === '' ? {} : { member: member.trim() }
    const { secret } = await client.keys.create({ name: name.trim(), scopes: [...scopes], ...whose })
    await onCreated(secret)
  }
  const toggle = (scope: Scope, on: boolean) =>
    setScopes((old) => (on ? new Set([...old, scope]) : old.difference(new Set([scope]))))
  return (
    <FormDialog
      title="New API key"
      submit="Make"
      disabled={name.trim() === '' || scopes.size === 0}
      onSubmit={create}
      onClose={onClose}
    >
      <TextField
        label="Name"
        value={name}
        maxLength={128}
        onChange={(event) => setName(event.target.value)}
        hint="What uses it, to know it again"
      />
      <TextField
        label="Whose"
        value={member}
        maxLength={128}
        onChange={(event) => setMember(event.target.value)}
        hint="A name or an address, for the audit log; may be left empty"
      />
      <fieldset>
        <legend>What it may do</legend>
        {SCOPES.map(({ scope, label, hint }) => (
          <CheckField
            key={scope}
            label={label}
            hint={hint}
            checked={scopes.has(scope)}
            onChange={(on) => toggle(scope, on)}
          />
        ))}
      </fieldset>
    </FormDialog>
  )
}

function columnsFor(revoke: (key: ApiKey) => void): Column<ApiKey>[] {
  return [
    {
      id: 'name',
      header: 'Name',
      sort: ({ name }) => name,
      cell: ({ name, hint }) => (
        <>
          <span className="name">{name}</span>
          <div className="sub">
            <code>{hint}…</code>
          </div>
        </>
      ),
    },
    { id: 'member', header: 'Whose', sort: ({ member }) => member, cell: ({ member }) => member ?? <None /> },
    {
      id: 'scopes',
      header: 'May',
      cell: ({ scopes }) => <Chips texts={scopes} />,
    },
    ageColumn('Created', ({ createdAt }) => createdAt),
    ageColumn('Last used', ({ lastUsedAt }) => lastUsedAt),
    {
      id: 'state',
      header: 'State',
      cell: ({ revokedAt }) =>
        revokedAt === null ? <span className="badge good">valid</span> : <span className="badge">revoked</span>,
    },
    {
      id: 'actions',
      header: '',
      align: 'end',
      cell: (key) =>
        key.revokedAt === null && (
          <Button look="small danger" needs="admin" aria-label={`Revoke ${key.name}`} onClick={() => revoke(key)}>
            Revoke
          </Button>
        ),
    },
  ]
}
