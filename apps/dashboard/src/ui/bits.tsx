import { type ReactNode, useEffect, useState } from 'react'
import { messageOf } from '../client.tsx'
import { ageChangesIn, formatAge } from '../format.ts'
import { Button } from './button.tsx'
import { say } from './toasts.tsx'

/** How long ago, going on by itself; the moment itself on hover and for readers. */
export function Age({ at }: { at: Date | null }) {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    if (at === null) return
    const timer = setTimeout(() => setNow(Date.now()), ageChangesIn(at, now))
    return () => clearTimeout(timer)
  }, [at, now])
  if (at === null) return <span className="sub">–</span>
  return (
    <time dateTime={at.toISOString()} title={at.toLocaleString()}>
      {formatAge(at, now)}
    </time>
  )
}

export function Copy({ text, label = 'Copy' }: { text: string; label?: string }) {
  const copy = async () => {
    await navigator.clipboard.writeText(text)
    say('Copied')
  }
  return (
    <Button look="small quiet" onClick={() => void copy()} aria-label={label} title={label}>
      Copy
    </Button>
  )
}

export function Loading({ what = 'Loading' }: { what?: string }) {
  return (
    <div className="loading" role="status">
      {what}…
    </div>
  )
}

export function Failed({ error, retry }: { error: unknown; retry?: () => void }) {
  return (
    <div className="notice bad" role="alert">
      {messageOf(error)}{' '}
      {retry !== undefined && (
        <Button look="small" onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  )
}

/** What an answer looks like until it is here: waiting, or why it does not come. */
export function Answer<T>({
  query,
  children,
}: {
  query: { data: T | undefined; error: unknown; refetch: () => unknown }
  children: (data: T) => ReactNode
}) {
  if (query.data !== undefined) return children(query.data)
  if (query.error !== null) return <Failed error={query.error} retry={() => void query.refetch()} />
  return <Loading />
}

export function Labels({ labels }: { labels: Record<string, string> }) {
  const entries = Object.entries(labels)
  if (entries.length === 0) return null
  return (
    <div className="chips">
      {entries.map(([key, value]) => (
        <span key={key} className="chip">
          {key}: {value}
        </span>
      ))}
    </div>
  )
}

export function Facts({ of }: { of: [name: string, value: ReactNode][] }) {
  return (
    <dl className="facts">
      {of.map(([name, value]) => (
        <Fact key={name} name={name} value={value} />
      ))}
    </dl>
  )
}

function Fact({ name, value }: { name: string; value: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </>
  )
}
