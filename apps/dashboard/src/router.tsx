import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from '@tanstack/react-router'
import { SandboxesPage } from './sandboxes/list.tsx'
import { Shell } from './shell.tsx'
import { Failed } from './ui/bits.tsx'

const root = createRootRouteWithContext<{ live: boolean }>()({
  component: function Root() {
    return <Shell live={root.useRouteContext().live} />
  },
  notFoundComponent: () => <p>There is no such page.</p>,
  errorComponent: ({ error }) => <Failed error={error} retry={() => location.reload()} />,
})

const home = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/sandboxes', replace: true })
  },
})

const sandboxes = createRoute({ getParentRoute: () => root, path: '/sandboxes', component: SandboxesPage })

const sandbox = createRoute({
  getParentRoute: () => root,
  path: '/sandboxes/$id',
  component: lazyRouteComponent(() => import('./sandboxes/detail.tsx'), 'SandboxPage'),
})
const tab = <const P extends string>(path: P, component: ReturnType<typeof lazyRouteComponent>) =>
  createRoute({ getParentRoute: () => sandbox, path, component })

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
      '/snapshots',
      lazyRouteComponent(() => import('./sandboxes/snapshots.tsx'), 'SnapshotsTab'),
    ),
    tab(
      '/events',
      lazyRouteComponent(() => import('./sandboxes/events.tsx'), 'EventsTab'),
    ),
  ]),
  createRoute({
    getParentRoute: () => root,
    path: '/snapshots',
    component: lazyRouteComponent(() => import('./snapshots/list.tsx'), 'SnapshotsPage'),
  }),
])

export const router = createRouter({
  routeTree,
  context: { live: false },
  defaultPreload: 'intent',
  scrollRestoration: true,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
