import { useQuery } from '@tanstack/react-query'
import { Link, Outlet } from '@tanstack/react-router'
import { type KeyboardEvent, use, useEffect, useRef, useState } from 'react'
import { useClient } from './client.tsx'
import { useLack } from './key.tsx'
import { LiveContext } from './live.ts'
import { GROUPS, needsOf, type PageOfMenu } from './pages.ts'
import { queries } from './queries.ts'
import { signOut } from './session.ts'
import { ShortcutsButton } from './shortcuts.tsx'
import { Button } from './ui/button.tsx'
import { Icon } from './ui/icons.tsx'
import { applyTheme, storedTheme, type Theme } from './ui/theme.ts'

export function Shell() {
  // On a phone, where there is no room for it beside the page.
  const [open, setOpen] = useState(false)
  const lackOf = useLack()
  const mayOpen = (page: PageOfMenu) => lackOf(needsOf(page)) === null
  const opener = useRef<HTMLButtonElement>(null)
  const onKeyDown = ({ key }: KeyboardEvent) => {
    if (key !== 'Escape' || !open) return
    setOpen(false)
    opener.current?.focus()
  }
  return (
    <div className="shell">
      <a className="skip" href="#main">
        Skip to content
      </a>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: what is in it is interactive; Escape closes it from anywhere */}
      <header className="side" data-open={open} onKeyDown={onKeyDown}>
        <div className="side-top">
          <Link to="/sandboxes" className="brand" aria-label="Spawnpoint, to the sandboxes">
            <img src="/assets/icon.svg" alt="" />
            <span>Spawnpoint</span>
          </Link>
          <button
            ref={opener}
            type="button"
            className="button quiet opener"
            aria-label="Menu"
            aria-expanded={open}
            aria-controls="menu"
            onClick={() => setOpen(!open)}
          >
            <Icon name={open ? 'close' : 'menu'} />
          </button>
        </div>
        <div className="side-body" id="menu">
          <nav className="nav" aria-label="Pages">
            {GROUPS.map(({ title, pages }) => (
              <div className="nav-group" key={title}>
                <div className="nav-title">{title}</div>
                {pages.filter(mayOpen).map(({ to, name, icon }) => (
                  <Link key={to} to={to} activeProps={{ 'aria-current': 'page' }} onClick={() => setOpen(false)}>
                    <Icon name={icon} />
                    {name}
                  </Link>
                ))}
              </div>
            ))}
          </nav>
          <Foot />
        </div>
      </header>
      <main className="main" id="main" tabIndex={-1}>
        <NotLive />
        <Outlet />
      </main>
    </div>
  )
}

/** A short break needs no word. */
const SAY_AFTER_MS = 5_000

/** Says that what is shown may be old, when that has been so for a while. */
function NotLive() {
  const live = use(LiveContext)
  const [long, setLong] = useState(false)
  useEffect(() => {
    setLong(false)
    if (live) return
    const timer = setTimeout(() => setLong(true), SAY_AFTER_MS)
    return () => clearTimeout(timer)
  }, [live])
  if (!long) return null
  return (
    <div className="notice warn" role="status">
      The server does not answer: what is shown may be old. Trying again…
    </div>
  )
}

function Foot() {
  const live = use(LiveContext)
  const team = useQuery(queries.team(useClient()))
  return (
    <div className="side-foot">
      <div className="live" data-on={live} role="status">
        <span>{live ? 'Live' : 'Connecting…'}</span>
        {team.data !== undefined && <span className="team-name">{team.data.name}</span>}
      </div>
      <div className="side-row">
        <ThemeSelect />
        <ShortcutsButton />
      </div>
      <Button look="small" onClick={signOut}>
        Sign out
      </Button>
    </div>
  )
}

function ThemeSelect() {
  const [theme, setTheme] = useState(storedTheme)
  const choose = (chosen: Theme) => {
    applyTheme(chosen)
    setTheme(chosen)
  }
  return (
    <select
      className="select small"
      aria-label="Colours"
      value={theme}
      onChange={({ target }) => choose(target.value === 'light' || target.value === 'dark' ? target.value : 'system')}
    >
      <option value="system">System</option>
      <option value="light">Light</option>
      <option value="dark">Dark</option>
    </select>
  )
}
