import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { SandboxInfo } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { nameOf } from '../format.ts'
import { queries } from '../queries.ts'
import { None } from './bits.tsx'

/** Most that are named. */
const MOST = 5

/** The living sandboxes of which it holds, by what each says of itself. */
export function SandboxLinks({ that }: { that: (sandbox: SandboxInfo) => boolean }) {
  const { data = [] } = useQuery(queries.sandboxes(useClient()))
  const found = data.filter(({ info }) => that(info))
  if (found.length === 0) return <None />
  return (
    <span className="list">
      {found.slice(0, MOST).map((sandbox) => (
        <Link key={sandbox.id} to="/sandboxes/$id" params={{ id: sandbox.id }}>
          {nameOf(sandbox)}
        </Link>
      ))}
      {found.length > MOST && <span className="sub">and {found.length - MOST} more</span>}
    </span>
  )
}
