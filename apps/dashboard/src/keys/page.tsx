import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import type { ApiKey } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { queries } from '../queries.ts'
import { Age, Answer, Copy } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { Dialog, FormDialog } from '../ui/dialog.tsx'
import { TextField } from '../ui/field.tsx'

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
    <>
      <title>Keys · Spawnpoint</title>
      <div className="page-head">
        <h1>API keys</h1>
        <Button look="primary" onClick={() => setCreating(true)}>
          New key
        </Button>
      </div>
      <Answer query={query}>
        {(keys) => <DataTable label="API keys" rows={keys} columns={columns} rowId={({ id }) => id} empty="None." />}
      </Answer>
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
        <Dialog
          title="The new key"
          text="It is shown this once; the server keeps only its hash."
          onClose={() => setSecret(null)}
        >
          <p className="copy">
            <code>{secret}</code> <Copy text={secret} label="Copy the key" />
          </p>
          <div className="dialog-foot">
            <Button look="primary" onClick={() => setSecret(null)}>
              Done
            </Button>
          </div>
        </Dialog>
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
    </>
  )
}

function CreateKeyDialog({
  onCreated,
  onClose,
}: {
  onCreated: (secret: string) => Promise<void>
  onClose: () => void
}) {
  const client = useClient()
  const [name, setName] = useState('')
  const create = async () => onCreated((await client.keys.create({ name: name.trim() })).secret)
  return (
    <FormDialog title="New API key" submit="Make" disabled={name.trim() === ''} onSubmit={create} onClose={onClose}>
      <TextField
        label="Name"
        value={name}
        maxLength={128}
        onChange={(event) => setName(event.target.value)}
        hint="What uses it, to know it again"
      />
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
    {
      id: 'created',
      header: 'Created',
      sort: ({ createdAt }) => createdAt,
      cell: ({ createdAt }) => <Age at={createdAt} />,
    },
    {
      id: 'used',
      header: 'Last used',
      sort: ({ lastUsedAt }) => lastUsedAt,
      cell: ({ lastUsedAt }) => <Age at={lastUsedAt} />,
    },
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
          <Button look="small danger" aria-label={`Revoke ${key.name}`} onClick={() => revoke(key)}>
            Revoke
          </Button>
        ),
    },
  ]
}
