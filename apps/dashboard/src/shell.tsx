import { useQuery } from '@tanstack/react-query'
import { Link, Outlet } from '@tanstack/react-router'
import { use, useState } from 'react'
import { useClient } from './client.tsx'
import { LiveContext } from './live.ts'
import { queries } from './queries.ts'
import { signOut } from './session.ts'
import { Button } from './ui/button.tsx'
import { applyTheme, storedTheme, type Theme } from './ui/theme.ts'

const PAGES = [
  ['/sandboxes', 'Sandboxes'],
  ['/snapshots', 'Snapshots'],
  ['/lineage', 'Lineage'],
  ['/compare', 'Compare'],
  ['/images', 'Images'],
  ['/schedules', 'Schedules'],
  ['/usage', 'Usage'],
  ['/keys', 'Keys'],
  ['/audit', 'Audit'],
  ['/settings', 'Settings'],
] as const

export function Shell() {
  const live = use(LiveContext)
  const team = useQuery(queries.team(useClient()))
  return (
    <div className="shell">
      <a className="skip" href="#main">
        Skip to content
      </a>
      <header className="side">
        <Link to="/sandboxes" className="brand" aria-label="Spawnpoint, to the sandboxes">
          <img src="/assets/icon.svg" alt="" />
          <span>Spawnpoint</span>
        </Link>
        <nav className="nav" aria-label="Pages">
          {PAGES.map(([to, name]) => (
            <Link key={to} to={to} activeProps={{ 'aria-current': 'page' }}>
              {name}
            </Link>
          ))}
        </nav>
        <div className="side-foot">
          <div className="live" data-on={live} role="status">
            <span>{live ? 'Live' : 'Connecting…'}</span>
          </div>
          <ThemeSelect />
          <Button look="small" onClick={signOut} title={team.data === undefined ? '' : `Team ${team.data.name}`}>
            Sign out
          </Button>
        </div>
      </header>
      <main className="main" id="main" tabIndex={-1}>
        <Outlet />
      </main>
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
      className="select"
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
