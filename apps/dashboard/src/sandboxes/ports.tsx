import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import type { IngressPolicy, Sandbox, ServerInfo } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { queries } from '../queries.ts'
import { Answer, Copy } from '../ui/bits.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { type Listening, listeningIn } from './listening.ts'
import { lifeOf, MustRun } from './must-run.tsx'
import { portAddress } from './port-address.ts'

const LOOK_EVERY_MS = 2_000

export function PortsTab() {
  return <MustRun>{(sandbox) => <Ports sandbox={sandbox} />}</MustRun>
}

function Ports({ sandbox }: { sandbox: Sandbox }) {
  const server = useQuery(queries.server(useClient()))
  const query = useQuery({
    queryKey: ['ports', lifeOf(sandbox)],
    queryFn: async () => {
      const table = (name: string) => sandbox.files.readText(`/proc/net/${name}`, { user: 'root' })
      // A sandbox without IPv6 has no such table.
      return listeningIn(await table('tcp'), await table('tcp6').catch(() => ''))
    },
    refetchInterval: LOOK_EVERY_MS,
  })
  const domain = server.data?.domain ?? null
  const columns = useMemo(() => columnsFor(sandbox.id, sandbox.info.ingress, domain), [sandbox, domain])
  return (
    <Answer query={query}>
      {(ports) => (
        <DataTable
          label="Ports"
          rows={ports}
          columns={columns}
          rowId={({ port }) => String(port)}
          empty="No program in it listens on a TCP port."
        />
      )}
    </Answer>
  )
}

const ACCESS = { open: 'anybody', token: 'who shows its token', closed: 'nobody' } as const

function columnsFor(id: string, ingress: IngressPolicy, domain: ServerInfo['domain']): Column<Listening>[] {
  const accessOf = (port: number) => ingress.ports[String(port)] ?? ingress.default
  return [
    { id: 'port', header: 'Port', sort: ({ port }) => port, cell: ({ port }) => <strong>{port}</strong> },
    {
      id: 'listens',
      header: 'Listens on',
      cell: ({ loopback }) => (loopback ? 'its loopback, which is reached too' : 'every address'),
    },
    { id: 'access', header: 'Reached by', cell: ({ port }) => ACCESS[accessOf(port)] },
    {
      id: 'address',
      header: 'Address',
      cell: ({ port }) => {
        const address = portAddress(location, domain, id, port)
        const proxied = `${location.origin}/v1/sandboxes/${id}/ports/${port}/`
        if (address === null || accessOf(port) !== 'open')
          return (
            <span className="copy">
              <code>{proxied}</code> <span className="sub">with the API key</span>
              <Copy text={proxied} label="Copy the address" />
            </span>
          )
        return (
          <span className="copy">
            <a href={address} target="_blank" rel="noopener noreferrer">
              {address}
            </a>
            <Copy text={address} label="Copy the address" />
          </span>
        )
      },
    },
  ]
}
