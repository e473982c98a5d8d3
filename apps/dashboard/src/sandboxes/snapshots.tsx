import { useQuery } from '@tanstack/react-query'
import { useClient } from '../client.tsx'
import { queries } from '../queries.ts'
import { SnapshotTable } from '../snapshots/table.tsx'
import { Answer } from '../ui/bits.tsx'
import { useSandbox } from './detail.tsx'

export function SnapshotsTab() {
  const query = useQuery(queries.snapshotsOf(useClient(), useSandbox().id))
  return (
    <Answer query={query}>
      {(snapshots) => <SnapshotTable snapshots={snapshots} empty="No snapshot was taken of it yet." />}
    </Answer>
  )
}
