import { createContext, use } from 'react'
import { Spawnpoint, type SpawnpointError } from 'spawnpoint'

const ClientContext = createContext<Spawnpoint | null>(null)
export const ClientProvider = ClientContext.Provider

/** The API, as the user whose key it was given. */
export function useClient(): Spawnpoint {
  const client = use(ClientContext)
  if (client === null) throw new Error('There is no client above this component')
  return client
}

export function clientFor(apiKey: string): Spawnpoint {
  return new Spawnpoint({ url: location.origin, apiKey, retry: { repeats: 2 } })
}

export function isUnauthenticated(error: unknown): boolean {
  return codeOf(error) === 'unauthenticated'
}

export function codeOf(error: unknown): SpawnpointError['code'] | undefined {
  return error instanceof Error && 'code' in error ? (error as SpawnpointError).code : undefined
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
