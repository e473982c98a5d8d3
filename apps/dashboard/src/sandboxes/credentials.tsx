import { useState } from 'react'
import type { CredentialRule } from 'spawnpoint'
import { Empty } from '../ui/bits.tsx'
import { Button } from '../ui/button.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { FormDialog } from '../ui/dialog.tsx'
import { Menu } from '../ui/menu.tsx'
import { doing } from '../ui/toasts.tsx'
import { CredentialDialog } from './credential-dialog.tsx'
import { asSet } from './credential-form.ts'
import { useSandbox } from './detail.tsx'

type Asking = { for: 'create' } | { for: 'edit' | 'delete'; rule: CredentialRule }

/** What is put into requests to named hosts after these have left the sandbox. */
export function CredentialsTab() {
  const sandbox = useSandbox()
  const { credentials } = sandbox.info
  const [asking, setAsking] = useState<Asking | null>(null)
  const close = () => setAsking(null)
  const killed = sandbox.state === 'killed'
  const toggle = ({ name, enabled }: CredentialRule) =>
    void doing('The change', enabled ? `${name} rests` : `${name} holds`, () =>
      sandbox.update({
        credentials: credentials.map((rule) => ({
          ...asSet(rule),
          enabled: rule.name === name ? !enabled : rule.enabled,
        })),
      }),
    )
  const add = (
    <Button look="primary" needs="write" onClick={() => setAsking({ for: 'create' })}>
      New rule
    </Button>
  )
  return (
    <section aria-label="Credentials">
      {credentials.length > 0 && (
        <div className="toolbar">
          <span className="sub">
            Put into requests after they have left the sandbox: a secret is never inside. Of several that fit the first
            counts.
          </span>
          <span className="count">{!killed && add}</span>
        </div>
      )}
      <DataTable
        label="Credentials"
        rows={credentials}
        columns={columnsFor(killed, toggle, setAsking)}
        rowId={({ name }) => name}
        empty={
          <Empty
            title="No credentials"
            text="A rule puts headers, such as a key, into requests to named hosts after they have left the sandbox. What runs inside never sees them."
          >
            {!killed && add}
          </Empty>
        }
      />
      {asking?.for === 'create' && <CredentialDialog sandbox={sandbox} rule={null} onClose={close} />}
      {asking?.for === 'edit' && <CredentialDialog sandbox={sandbox} rule={asking.rule} onClose={close} />}
      {asking?.for === 'delete' && (
        <FormDialog
          title={`Delete ${asking.rule.name}?`}
          text="Its secrets are forgotten; requests to its hosts go without them."
          submit="Delete"
          danger
          onSubmit={() =>
            sandbox.update({ credentials: credentials.filter(({ name }) => name !== asking.rule.name).map(asSet) })
          }
          onClose={close}
        />
      )}
    </section>
  )
}

function columnsFor(
  killed: boolean,
  toggle: (rule: CredentialRule) => void,
  ask: (asking: Asking) => void,
): Column<CredentialRule>[] {
  return [
    {
      id: 'name',
      header: 'Name',
      cell: ({ name, description }) => (
        <>
          <span className="name">{name}</span>
          {description !== undefined && <div className="sub wraps">{description}</div>}
        </>
      ),
    },
    {
      id: 'hosts',
      header: 'Hosts',
      cell: ({ hosts, port, everywhere, paths, rewrite }) => (
        <>
          {everywhere === true ? 'all that others name' : <code>{hosts.join(', ')}</code>}
          {port !== undefined && <div className="sub">port {port}</div>}
          {rewrite !== undefined && (
            <div className="sub">
              goes to{' '}
              <code>
                {rewrite.host}:{rewrite.port}
              </code>
            </div>
          )}
          {paths.length > 0 && <div className="sub wraps">{paths.join(', ')}</div>}
        </>
      ),
    },
    {
      id: 'headers',
      header: 'Headers',
      cell: ({ headers }) =>
        headers.map(({ name, value, template, secret }) => (
          <div key={name}>
            <code>{name}</code> <span className="sub">{template ?? (secret ? 'secret' : value)}</span>
          </div>
        )),
    },
    {
      id: 'state',
      header: 'State',
      cell: ({ enabled }) =>
        enabled ? <span className="badge good">holds</span> : <span className="badge">rests</span>,
    },
    {
      id: 'actions',
      header: '',
      align: 'end',
      cell: (rule) =>
        !killed && (
          <Menu
            label={`Actions for ${rule.name}`}
            entries={[
              { label: rule.enabled ? 'Turn off' : 'Turn on', needs: 'write', onSelect: () => toggle(rule) },
              { label: 'Change', needs: 'write', onSelect: () => ask({ for: 'edit', rule }) },
              { label: 'Delete', needs: 'write', danger: true, onSelect: () => ask({ for: 'delete', rule }) },
            ]}
          >
            •••
          </Menu>
        ),
    },
  ]
}
