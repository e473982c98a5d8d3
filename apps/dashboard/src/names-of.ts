import { useQuery } from '@tanstack/react-query'
import { useCallback, useMemo } from 'react'
import { useClient } from './client.tsx'
import { nameOf, shortId } from './format.ts'
import { queries } from './queries.ts'

/** Names of the living sandboxes by id; of others a part of the id. Stays the same until one of them changes. */
export function useSandboxNames(): (id: string) => string {
  const { data } = useQuery(queries.sandboxes(useClient()))
  const names = useMemo(() => new Map(data?.map((sandbox) => [sandbox.id, nameOf(sandbox)])), [data])
  return useCallback((id) => names.get(id) ?? shortId(id), [names])
}
