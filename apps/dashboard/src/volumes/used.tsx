import { useQuery } from '@tanstack/react-query'
import type { Volume } from 'spawnpoint'
import { useClient } from '../client.tsx'
import { formatBytes } from '../format.ts'
import { Meter, None } from '../ui/bits.tsx'

const LOOK_EVERY_MS = 15_000

export function Used({ volume: { id, sizeBytes } }: { volume: Volume }) {
  const client = useClient()
  const { data } = useQuery({
    // Not below the list's: what is deleted is not asked for again.
    queryKey: ['volume-usage', id],
    queryFn: () => client.volumes.usage(id),
    refetchInterval: LOOK_EVERY_MS,
  })
  if (data === undefined) return <None />
  return (
    <div className="used">
      {formatBytes(data.usedBytes)}
      <Meter value={data.usedBytes} of={sizeBytes} />
    </div>
  )
}
