import type { IconName } from './ui/icons.tsx'

/** Every page of the menu, and the key that goes there after `g`. */
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
    ],
  },
  {
    title: 'Account',
    pages: [
      { to: '/usage', name: 'Usage', icon: 'usage', key: 'u' },
      { to: '/keys', name: 'Keys', icon: 'keys', key: 'k' },
      { to: '/audit', name: 'Audit', icon: 'audit', key: 'a' },
      { to: '/teams', name: 'Teams', icon: 'teams', key: 't' },
      { to: '/settings', name: 'Settings', icon: 'settings', key: 'e' },
    ],
  },
] as const satisfies { title: string; pages: { to: string; name: string; icon: IconName; key: string }[] }[]

export const PAGES = GROUPS.flatMap(({ pages }) => [...pages])
