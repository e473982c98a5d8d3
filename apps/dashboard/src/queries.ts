import { queryOptions } from '@tanstack/react-query'
import type { SandboxState, SnapshotState, Spawnpoint } from 'spawnpoint'

/** Most that a list shows; the API has the rest. */
export const MOST = 1_000
const PAGE = { pageSize: 200 }

/** All that the pages ask the API for. Events say when an answer is out of date, see live.ts. */
export const queries = {
  server: (client: Spawnpoint) =>
    queryOptions({ queryKey: ['server'], queryFn: () => client.server(), staleTime: Number.POSITIVE_INFINITY }),
  key: (client: Spawnpoint) =>
    queryOptions({ queryKey: ['key'], queryFn: () => client.keys.self(), staleTime: Number.POSITIVE_INFINITY }),
  team: (client: Spawnpoint) => queryOptions({ queryKey: ['team'], queryFn: () => client.keys.team() }),

  sandboxes: (client: Spawnpoint, states?: SandboxState[]) =>
    queryOptions({
      queryKey: ['sandboxes', states ?? 'living'],
      queryFn: () => client.sandboxes.list({ states }, PAGE).toArray(MOST),
    }),
  sandbox: (client: Spawnpoint, id: string) =>
    queryOptions({ queryKey: ['sandbox', id], queryFn: () => client.sandboxes.get(id) }),

  snapshots: (client: Spawnpoint, states?: SnapshotState[]) =>
    queryOptions({
      queryKey: ['snapshots', states ?? 'kept'],
      queryFn: () => client.snapshots.list({ states }, PAGE).toArray(MOST),
    }),
  snapshot: (client: Spawnpoint, id: string) =>
    queryOptions({ queryKey: ['snapshot', id], queryFn: () => client.snapshots.get(id) }),
  snapshotsOf: (client: Spawnpoint, sandbox: string) =>
    queryOptions({
      queryKey: ['snapshots', 'of', sandbox],
      queryFn: () => client.snapshots.list({ sandbox }, PAGE).toArray(MOST),
    }),
  images: (client: Spawnpoint) =>
    queryOptions({ queryKey: ['images'], queryFn: () => client.images.list({}, PAGE).toArray(MOST) }),
  schedules: (client: Spawnpoint, sandbox?: string) =>
    queryOptions({
      queryKey: ['schedules', sandbox ?? 'all'],
      queryFn: () => client.schedules.list({ sandbox }, PAGE).toArray(MOST),
    }),
  // Nothing in the events tells of these: they are asked for whenever their page is opened.
  volumes: (client: Spawnpoint) =>
    queryOptions({
      queryKey: ['volumes'],
      queryFn: () => client.volumes.list({}, PAGE).toArray(MOST),
      staleTime: 0,
    }),
  registries: (client: Spawnpoint) =>
    queryOptions({
      queryKey: ['registries'],
      queryFn: () => client.registries.list({}, PAGE).toArray(MOST),
      staleTime: 0,
    }),
  secrets: (client: Spawnpoint) =>
    queryOptions({
      queryKey: ['secrets'],
      queryFn: () => client.secrets.list({}, PAGE).toArray(MOST),
      staleTime: 0,
    }),
  teams: (client: Spawnpoint) =>
    queryOptions({ queryKey: ['teams'], queryFn: () => client.teams.list(PAGE).toArray(MOST), staleTime: 0 }),
  keys: (client: Spawnpoint) =>
    queryOptions({ queryKey: ['keys'], queryFn: () => client.keys.list(PAGE).toArray(MOST) }),
  events: (client: Spawnpoint, sandbox: string) =>
    queryOptions({
      queryKey: ['events', sandbox],
      queryFn: () => client.events.list({ sandbox }, { pageSize: 500 }).toArray(5_000),
    }),
}
