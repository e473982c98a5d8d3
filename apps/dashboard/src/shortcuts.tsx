import { useNavigate } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { useLack } from './key.tsx'
import { needsOf, PAGES } from './pages.ts'
import { Button } from './ui/button.tsx'
import { Dialog } from './ui/dialog.tsx'
import { CheckField } from './ui/field.tsx'

const OFF = 'spawnpoint.shortcuts-off'
const PREFIX_MS = 1_500

const KEYS: [keys: string[], what: string][] = [
  [['/'], 'Search in the list of this page'],
  [['n'], 'What the page’s main button does: a new sandbox, a pull, a new key'],
  [['?'], 'This list'],
  [['Esc'], 'Close what is open'],
]

/** Keys that act wherever nothing is typed into. Who works by speech, or strays onto keys, can turn them off. */
export function ShortcutsButton() {
  const [shown, setShown] = useState(false)
  const [on, setOn] = useState(() => localStorage.getItem(OFF) === null)
  const navigate = useNavigate()
  const lackOf = useLack()
  const pages = PAGES.filter((page) => lackOf(needsOf(page)) === null)
  const prefixedAt = useRef(Number.NEGATIVE_INFINITY)

  useEffect(() => {
    if (!on) return
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTaken(event.target)) return
      const prefixed = event.timeStamp - prefixedAt.current < PREFIX_MS
      prefixedAt.current = event.key === 'g' && !prefixed ? event.timeStamp : Number.NEGATIVE_INFINITY
      const page = prefixed ? PAGES.find(({ key }) => key === event.key) : undefined
      if (page !== undefined) void navigate({ to: page.to })
      else if (event.key === '?') setShown(true)
      else if (event.key === '/') document.querySelector<HTMLElement>('main [type=search]')?.focus()
      else if (event.key === 'n') document.querySelector<HTMLElement>('.page-head .button.primary')?.click()
      else return
      event.preventDefault()
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [on, navigate])

  const turn = (wanted: boolean) => {
    if (wanted) localStorage.removeItem(OFF)
    else localStorage.setItem(OFF, 'true')
    setOn(wanted)
  }
  return (
    <>
      <Button
        look="small"
        onClick={() => setShown(true)}
        aria-label="Keyboard shortcuts"
        title="Keyboard shortcuts (?)"
      >
        ?
      </Button>
      {shown && (
        <Dialog title="Keyboard shortcuts" onClose={() => setShown(false)}>
          <dl className="shortcuts">
            {[...KEYS, ...pages.map(({ key, name }): [string[], string] => [['g', key], name])].map(([keys, what]) => (
              <div key={what}>
                <dt>
                  {keys.map((key) => (
                    <kbd key={key}>{key}</kbd>
                  ))}
                </dt>
                <dd>{what}</dd>
              </div>
            ))}
          </dl>
          <CheckField label="Single keys do these things" checked={on} onChange={turn} />
          <div className="dialog-foot">
            <Button onClick={() => setShown(false)}>Close</Button>
          </div>
        </Dialog>
      )}
    </>
  )
}

/** Something that takes keys itself, or lies over the page. */
function isTaken(target: EventTarget | null): boolean {
  if (document.querySelector('[role=dialog].dialog, [role=menu]') !== null) return true
  return target instanceof Element && target.closest('input, textarea, select, [contenteditable], .xterm') !== null
}
