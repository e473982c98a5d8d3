import { useQuery } from '@tanstack/react-query'
import { createContext, type ReactNode, use } from 'react'
import type { ApiKey, Scope } from 'spawnpoint'
import { useClient } from './client.tsx'
import { queries } from './queries.ts'

const KeyContext = createContext<ApiKey | null>(null)

/** Below it everything knows what the key of this session may do. */
export function KeyProvider({ children }: { children: ReactNode }) {
  const { data = null } = useQuery(queries.key(useClient()))
  return <KeyContext value={data}>{children}</KeyContext>
}

/**
 * Says why the key may not do what needs a scope; `null` if it may. Until the server has told about the key everything is
 * offered: it is the server that refuses.
 */
export function useLack(): (scope: Scope | undefined) => string | null {
  const key = use(KeyContext)
  return (scope) => (scope === undefined || key === null ? null : lackOf(key, scope))
}

export function lackOf({ name, scopes }: Pick<ApiKey, 'name' | 'scopes'>, scope: Scope): string | null {
  const may = scopes.includes(scope) || (scope === 'read' && scopes.includes('write'))
  return may ? null : `Not with this key: ‘${name}’ lacks the scope ‘${scope}’`
}
