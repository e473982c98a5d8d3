import { createRootRoute, createRoute, createRouter, Link, lazyRouteComponent, redirect } from '@tanstack/react-router'
import { SandboxesPage } from './sandboxes/list.tsx'
import { Shell } from './shell.tsx'
import { Failed, Missing } from './ui/bits.tsx'

const root = createRootRoute({
  component: Shell,
  notFoundComponent: () => (
    <Missing title="There is no such page">
      <Link to="/sandboxes">To the sandboxes</Link>
    </Missing>
  ),
  errorComponent: ({ error }) => <Failed error={error} retry={() => location.reload()} />,
})

const home = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/sandboxes', replace: true })
  },
})

/** Texts of the address that a page knows; anything else is dropped. */
function texts<const N extends string>(...names: N[]) {
  return (search: Record<string, unknown>): { [K in N]?: string | undefined } => {
    const known: { [K in N]?: string | undefined } = {}
    for (const name of names) {
      const value = search[name]
      // What looks like a number was read as one.
      if (typeof value === 'string' || typeof value === 'number') known[name] = String(value)
    }
    return known
  }
}

const sandboxes = createRoute({
  getParentRoute: () => root,
  path: '/sandboxes',
  validateSearch: texts('q', 'state'),
  component: SandboxesPage,
})

const sandbox = createRoute({
  getParentRoute: () => root,
  path: '/sandboxes/$id',
  component: lazyRouteComponent(() => import('./sandboxes/detail.tsx'), 'SandboxPage'),
})
const tab = <const P extends string>(path: P, component: ReturnType<typeof lazyRouteComponent>) =>
  createRoute({ getParentRoute: () => sandbox, path, component })

const snapshot = createRoute({
  getParentRoute: () => root,
  path: '/snapshots/$id',
  component: lazyRouteComponent(() => import('./snapshots/detail.tsx'), 'SnapshotPage'),
})

const routeTree = root.addChildren([
  home,
  sandboxes,
  sandbox.addChildren([
    createRoute({
      getParentRoute: () => sandbox,
      path: '/',
      component: lazyRouteComponent(() => import('./sandboxes/overview.tsx'), 'OverviewTab'),
    }),
    tab(
      '/terminal',
      lazyRouteComponent(() => import('./sandboxes/terminal.tsx'), 'TerminalTab'),
    ),
    tab(
      '/files',
      lazyRouteComponent(() => import('./sandboxes/files.tsx'), 'FilesTab'),
    ),
    tab(
      '/programs',
      lazyRouteComponent(() => import('./sandboxes/programs.tsx'), 'ProgramsTab'),
    ),
    tab(
      '/ports',
      lazyRouteComponent(() => import('./sandboxes/ports.tsx'), 'PortsTab'),
    ),
    tab(
      '/metrics',
      lazyRouteComponent(() => import('./sandboxes/metrics.tsx'), 'MetricsTab'),
    ),
    tab(
      '/snapshots',
      lazyRouteComponent(() => import('./sandboxes/snapshots.tsx'), 'SnapshotsTab'),
    ),
    tab(
      '/credentials',
      lazyRouteComponent(() => import('./sandboxes/credentials.tsx'), 'CredentialsTab'),
    ),
    tab(
      '/events',
      lazyRouteComponent(() => import('./sandboxes/events.tsx'), 'EventsTab'),
    ),
  ]),
  snapshot.addChildren([
    createRoute({
      getParentRoute: () => snapshot,
      path: '/',
      component: lazyRouteComponent(() => import('./snapshots/overview.tsx'), 'SnapshotOverviewTab'),
    }),
    createRoute({
      getParentRoute: () => snapshot,
      path: '/files',
      component: lazyRouteComponent(() => import('./snapshots/files.tsx'), 'SnapshotFilesTab'),
    }),
    createRoute({
      getParentRoute: () => snapshot,
      path: '/ran',
      component: lazyRouteComponent(() => import('./snapshots/ran.tsx'), 'SnapshotRanTab'),
    }),
  ]),
  createRoute({
    getParentRoute: () => root,
    path: '/compare',
    validateSearch: texts('before', 'after'),
    component: lazyRouteComponent(() => import('./compare/page.tsx'), 'ComparePage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/snapshots',
    validateSearch: texts('q', 'kind', 'shelf'),
    component: lazyRouteComponent(() => import('./snapshots/list.tsx'), 'SnapshotsPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/lineage',
    component: lazyRouteComponent(() => import('./lineage/page.tsx'), 'LineagePage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/images',
    component: lazyRouteComponent(() => import('./images/page.tsx'), 'ImagesPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/volumes',
    component: lazyRouteComponent(() => import('./volumes/page.tsx'), 'VolumesPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/registries',
    component: lazyRouteComponent(() => import('./registries/page.tsx'), 'RegistriesPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/secrets',
    component: lazyRouteComponent(() => import('./secrets/page.tsx'), 'SecretsPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/teams',
    component: lazyRouteComponent(() => import('./teams/page.tsx'), 'TeamsPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/schedules',
    component: lazyRouteComponent(() => import('./schedules/page.tsx'), 'SchedulesPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/usage',
    component: lazyRouteComponent(() => import('./usage/page.tsx'), 'UsagePage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/audit',
    component: lazyRouteComponent(() => import('./audit/page.tsx'), 'AuditPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/keys',
    component: lazyRouteComponent(() => import('./keys/page.tsx'), 'KeysPage'),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/settings',
    component: lazyRouteComponent(() => import('./settings/page.tsx'), 'SettingsPage'),
  }),
])

export const router = createRouter({
  routeTree,
  defaultPreload: 'intent',
  scrollRestoration: true,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
