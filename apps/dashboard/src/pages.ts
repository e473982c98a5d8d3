import type { Scope } from 'spawnpoint'
import type { IconName } from './ui/icons.tsx'

export interface PageOfMenu {
  to: string
  name: string
  icon: IconName
  /** Goes there after `g` */
  key: string
  /** What there is nothing to see without */
  needs?: Scope
}

export const GROUPS = [
  {
    title: 'Run',
    pages: [
      { to: '/sandboxes', name: 'Sandboxes', icon: 'sandboxes', key: 's' },
      { to: '/snapshots', name: 'Snapshots', icon: 'snapshots', key: 'n' },
      { to: '/lineage', name: 'Lineage', icon: 'lineage', key: 'l' },
      { to: '/compare', name: 'Compare', icon: 'compare', key: 'c' },
      { to: '/schedules', name: 'Schedules', icon: 'schedules', key: 'h' },
    ],
  },
  {
    title: 'Store',
    pages: [
      { to: '/images', name: 'Images', icon: 'images', key: 'i' },
      { to: '/volumes', name: 'Volumes', icon: 'volumes', key: 'v' },
      { to: '/registries', name: 'Registries', icon: 'registries', key: 'r' },
      { to: '/secrets', name: 'Secrets', icon: 'secrets', key: 'x' },
    ],
  },
  {
    title: 'Account',
    pages: [
      { to: '/usage', name: 'Usage', icon: 'usage', key: 'u' },
      { to: '/keys', name: 'Keys', icon: 'keys', key: 'k', needs: 'admin' },
      { to: '/audit', name: 'Audit', icon: 'audit', key: 'a', needs: 'admin' },
      { to: '/teams', name: 'Teams', icon: 'teams', key: 't', needs: 'server' },
      { to: '/settings', name: 'Settings', icon: 'settings', key: 'e' },
    ],
  },
] as const satisfies { title: string; pages: PageOfMenu[] }[]

export const PAGES = GROUPS.flatMap(({ pages }) => [...pages])

export function needsOf(page: PageOfMenu): Scope | undefined {
  return page.needs
}
