import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import type { OperationProgress } from 'spawnpoint'
import { ProgressLine } from '../archive/progress-line.tsx'
import { useClient } from '../client.tsx'

/** How far the build of an image is, as it tells. */
export function Progress({ imageId }: { imageId: string }) {
  const client = useClient()
  const [progress, setProgress] = useState<OperationProgress | null>(null)
  const builds = useQuery({
    queryKey: ['builds', imageId],
    queryFn: () => client.operations.list({ states: ['open'], kinds: ['image.build'] }, { pageSize: 100 }).toArray(100),
  })
  const operation = builds.data?.find((one) => one.imageId === imageId)?.id
  useEffect(() => {
    if (operation === undefined) return
    const stop = new AbortController()
    const follow = async () => {
      for await (const change of client.operations.follow(operation, { signal: stop.signal }))
        if (change.progress !== null) setProgress(change.progress)
    }
    follow().catch(() => undefined) // Its end, and that it failed, is told by the image's own state.
    return () => stop.abort()
  }, [client, operation])
  if (progress === null) return null
  return <ProgressLine progress={progress} />
}
