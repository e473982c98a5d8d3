import type { ReactNode } from 'react'
import type { Sandbox } from 'spawnpoint'
import { useSandbox } from './detail.tsx'

/** What looks inside the sandbox: only while there is an inside, and anew for each of its lives. */
export function MustRun({ children }: { children: (sandbox: Sandbox) => ReactNode }) {
  const sandbox = useSandbox()
  if (sandbox.state !== 'running' && sandbox.state !== 'snapshotting')
    return <div className="panel empty">The sandbox is {sandbox.state.replaceAll('_', ' ')}; it must run.</div>
  return <div key={lifeOf(sandbox)}>{children(sandbox)}</div>
}

/** Names the present life: another one has other connections, and other things may be in it. */
export function lifeOf(sandbox: Sandbox): string {
  return `${sandbox.id} ${sandbox.info.startedAt?.getTime()}`
}
