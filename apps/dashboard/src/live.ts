import type { QueryClient } from '@tanstack/react-query'
import { createContext, useEffect, useState } from 'react'
import type { Spawnpoint, SpawnpointEvent } from 'spawnpoint'
import { isUnauthenticated } from './client.tsx'
import { Refresher } from './refresher.ts'
import { signOut } from './session.ts'

/** Queries whose answers an event has made old, by the beginnings of their keys. */
export function staleAfter(event: Pick<SpawnpointEvent, 'type' | 'sandboxId' | 'snapshotId' | 'imageId'>): string[][] {
  const stale: string[][] = []
  const [noun] = event.type.split('.')
  if (event.sandboxId !== null) {
    stale.push(['events', event.sandboxId])
    if (noun === 'sandbox' || noun === 'snapshot') stale.push(['sandboxes'], ['sandbox', event.sandboxId])
  }
  if (event.snapshotId !== null || noun === 'snapshot') stale.push(['snapshots'])
  if (event.snapshotId !== null) stale.push(['snapshot', event.snapshotId])
  if (event.imageId !== null && noun === 'image') stale.push(['images'])
  if (noun === 'schedule') stale.push(['schedules'])
  return stale
}

/** Whether what is shown follows what happens. */
export const LiveContext = createContext(false)

/** Events often come in bursts: what they made old is asked for once. */
const TOGETHER_MS = 120
const AGAIN_AFTER_MS = 2_000

/**
 * Follows what happens and has the pages ask again. Not while the tab is hidden: browsers allow few connections to a server,
 * and hidden tabs would use them up. Answers whether it follows now.
 */
export function useLive(client: Spawnpoint, queryClient: QueryClient): boolean {
  const [live, setLive] = useState(false)
  useEffect(() => {
    let stop = new AbortController()
    const refresher = new Refresher((queryKey) => queryClient.invalidateQueries({ queryKey }), TOGETHER_MS)
    const onEvent = (event: SpawnpointEvent) => refresher.add(staleAfter(event))
    const follow = async (signal: AbortSignal) => {
      while (!signal.aborted) {
        try {
          const onConnection = (open: boolean) => {
            setLive(open)
            // Whatever happened while nobody looked is asked for as a whole.
            if (open) void queryClient.invalidateQueries()
          }
          for await (const event of client.events.follow({ after: 'now', signal, onConnection })) onEvent(event)
        } catch (error) {
          if (signal.aborted) return
          if (isUnauthenticated(error)) return signOut()
          await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER_MS))
        }
      }
    }
    const onVisible = () => {
      stop.abort()
      if (document.hidden) return
      stop = new AbortController()
      void follow(stop.signal)
    }
    onVisible()
    document.addEventListener('visibilitychange', onVisible)
    return () => {
      document.removeEventListener('visibilitychange', onVisible)
      refresher.end()
      stop.abort()
    }
  }, [client, queryClient])
  return live
}
