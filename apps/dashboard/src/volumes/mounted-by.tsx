import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useClient } from '../client.tsx'
import { nameOf } from '../format.ts'
import { queries } from '../queries.ts'
import { None } from '../ui/bits.tsx'

/** Most that are named. */
const MOST = 5

/** The living sandboxes that have it, by what each says of itself. */
export function MountedBy({ volumeId }: { volumeId: string }) {
  const { data = [] } = useQuery(queries.sandboxes(useClient()))
  const by = data.filter(({ info }) => info.volumes.some((mount) => mount.volumeId === volumeId))
  if (by.length === 0) return <None />
  return (
    <span className="list">
      {by.slice(0, MOST).map((sandbox) => (
        <Link key={sandbox.id} to="/sandboxes/$id" params={{ id: sandbox.id }}>
          {nameOf(sandbox)}
        </Link>
      ))}
      {by.length > MOST && <span className="sub">and {by.length - MOST} more</span>}
    </span>
  )
}
