import { CSPProvider } from '@base-ui/react/csp-provider'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { useMemo, useSyncExternalStore } from 'react'
import { ClientProvider, clientFor, isUnauthenticated } from './client.tsx'
import { KeyProvider } from './key.tsx'
import { LiveContext, useLive } from './live.ts'
import { Login } from './login.tsx'
import { nonce } from './nonce.ts'
import { router } from './router.tsx'
import { onSession, signOut, storedKey } from './session.ts'
import { Toasts } from './ui/toasts.tsx'

export function App() {
  const key = useSyncExternalStore(onSession, storedKey)
  return (
    <CSPProvider nonce={nonce()}>
      {key === null ? <Login /> : <SignedIn key={key} apiKey={key} />}
      <Toasts />
    </CSPProvider>
  )
}

function SignedIn({ apiKey }: { apiKey: string }) {
  const client = useMemo(() => clientFor(apiKey), [apiKey])
  const queryClient = useMemo(newQueryClient, [])
  const live = useLive(client, queryClient)
  return (
    <ClientProvider value={client}>
      <QueryClientProvider client={queryClient}>
        <LiveContext value={live}>
          <KeyProvider>
            <RouterProvider router={router} />
          </KeyProvider>
        </LiveContext>
      </QueryClientProvider>
    </ClientProvider>
  )
}

function newQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        // Events say when an answer is old.
        staleTime: 60_000,
        // Answers are the client's own objects.
        structuralSharing: false,
        retry: (_failures, error) => {
          if (isUnauthenticated(error)) signOut()
          return false // the client itself repeats what may be repeated
        },
      },
    },
  })
}
