import { type ReactNode, useEffect, useState } from 'react'
import { codeOf, messageOf } from '../client.tsx'
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
  if (at === null) return <None />
  return (
    <time dateTime={at.toISOString()} title={at.toLocaleString()}>
      {formatAge(at, now)}
    </time>
  )
}

/** Where there is no value. */
export function None() {
  return <span className="none">–</span>
}

/** What a list says that has nothing to show: why, and what to do about it. */
export function Empty({ title, text, children }: { title: string; text?: ReactNode; children?: ReactNode }) {
  return (
    <>
      <p className="empty-title">{title}</p>
      {text}
      {children !== undefined && <div>{children}</div>}
    </>
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

/** In place of a page of something that is not there. */
export function Missing({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className="panel empty">
      <title>{`${title} · Spawnpoint`}</title>
      <h1>{title}</h1>
      <p>{children}</p>
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
  if (codeOf(query.error) === 'forbidden')
    return (
      <div className="panel empty">
        <Empty title="Not with this key" text={messageOf(query.error)} />
      </div>
    )
  if (query.error !== null) return <Failed error={query.error} retry={() => void query.refetch()} />
  return <Loading />
}

export function Chips({ texts }: { texts: readonly string[] }) {
  if (texts.length === 0) return null
  return (
    <div className="chips">
      {texts.map((text) => (
        <span key={text} className="chip">
          {text}
        </span>
      ))}
    </div>
  )
}

export function Labels({ labels }: { labels: Record<string, string> }) {
  return <Chips texts={Object.entries(labels).map(([key, value]) => `${key}: ${value}`)} />
}

/** How much of something is used; what is beside it says so in words. */
export function Meter({ value, of }: { value: number; of: number }) {
  const percent = of === 0 ? 100 : Math.min(100, (100 * value) / of)
  return (
    <div className="meter" data-full={percent > 90} aria-hidden="true">
      <div style={{ width: `${percent}%` }} />
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
