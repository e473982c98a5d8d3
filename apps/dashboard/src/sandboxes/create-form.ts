import type { CreateSandbox, MountVolume, PortAccess, SnapshotKind, TimeoutPolicy } from 'spawnpoint'
import { parseDuration, parseSize } from '../format.ts'
import { parsePairs, sandboxNameError } from '../names.ts'

/** What is left as it is comes from the image or snapshot, and is not sent. */
export const EMPTY = {
  /** `image NAME` or `snapshot ID` */
  source: '',
  name: '',
  cpus: '',
  memory: '',
  disk: '',
  timeout: '',
  onTimeout: 'kill' as TimeoutPolicy['onTimeout'],
  autoResume: false,
  internet: '' as '' | 'yes' | 'no',
  allow: '',
  ports: '' as '' | PortAccess,
  volumes: '',
  env: '',
  labels: '',
  cron: '',
  cronKind: 'filesystem' as SnapshotKind,
}
export type CreateForm = typeof EMPTY
export type FormErrors = Partial<Record<keyof CreateForm, string | null>>

export function errorsOf(form: CreateForm): FormErrors {
  const size = (text: string) => (text.trim() === '' || parseSize(text) ? null : 'Write 512M or 2G')
  const pairs = (text: string) => {
    const parsed = parsePairs(text)
    return 'error' in parsed ? parsed.error : null
  }
  const mounts = parseMounts(form.volumes)
  return {
    name: sandboxNameError(form.name),
    cpus: form.cpus.trim() === '' || Number(form.cpus) > 0 ? null : 'A number such as 0.5 or 2',
    memory: size(form.memory),
    disk: size(form.disk),
    timeout: form.timeout.trim() === '' || parseDuration(form.timeout) ? null : 'Write 90s, 30m, 2h or 1d',
    cron: cronError(form.cron),
    volumes: 'error' in mounts ? mounts.error : null,
    env: pairs(form.env),
    labels: pairs(form.labels),
  }
}

/** Of a form without errors. */
export function requestOf(form: CreateForm, source: string, timeZone: string): CreateSandbox {
  const [kind, ref] = source.split(' ', 2)
  const env = parsePairs(form.env)
  const labels = parsePairs(form.labels)
  const mounts = parseMounts(form.volumes)
  const allow = listOf(form.allow)
  const given = (text: string, parse: (text: string) => number | null) =>
    text.trim() === '' ? undefined : (parse(text) ?? undefined)
  const timeoutMs = given(form.timeout, parseDuration)
  return {
    ...(kind === 'image' ? { image: ref } : { snapshot: ref }),
    name: form.name === '' ? undefined : form.name,
    resources: {
      cpus: given(form.cpus, Number),
      memoryBytes: given(form.memory, parseSize),
      diskBytes: given(form.disk, parseSize),
    } as NonNullable<CreateSandbox['resources']>,
    ...('pairs' in env && { env: env.pairs }),
    ...('pairs' in labels && { labels: labels.pairs }),
    ...('mounts' in mounts && mounts.mounts.length > 0 && { volumes: mounts.mounts }),
    timeout: {
      ...(timeoutMs !== undefined && { timeoutMs, onTimeout: form.onTimeout }),
      ...(form.autoResume && { autoResume: true }),
    },
    network: {
      ...(form.internet !== '' && { internet: form.internet === 'yes' }),
      ...(allow.length > 0 && { allow }),
    },
    ingress: form.ports === '' ? {} : { default: form.ports },
    ...(form.cron.trim() !== '' && { schedule: { cron: form.cron.trim(), kind: form.cronKind, timeZone } }),
  }
}

export function cronError(cron: string): string | null {
  return cron.trim() === '' || cron.trim().split(/\s+/).length === 5 ? null : 'Five fields, such as 0 3 * * *'
}

/** Parted by commas, spaces or lines. */
export function listOf(text: string): string[] {
  return text.split(/[\s,]+/).filter((part) => part !== '')
}

/** Lines of `VOLUME:/path`, or `VOLUME:/path:ro` for one that it may only read. */
export function parseMounts(text: string): { mounts: MountVolume[] } | { error: string } {
  const mounts: MountVolume[] = []
  for (const line of text.split('\n').map((one) => one.trim())) {
    if (line === '') continue
    const [, volume, path, readOnly] = /^([^:\s]+):(\/[^:]+)(:ro)?$/.exec(line) ?? []
    if (volume === undefined || path === undefined) return { error: `'${line}' is not VOLUME:/path` }
    mounts.push({ volume, path, ...(readOnly !== undefined && { readOnly: true }) })
  }
  return { mounts }
}
