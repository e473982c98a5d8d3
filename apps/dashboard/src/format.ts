const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** `1.5 GiB` */
export function formatBytes(bytes: number): string {
  let value = bytes
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (value < 1024) return `${unit === 'B' || value >= 100 ? Math.round(value) : value.toFixed(1)} ${unit}`
    value /= 1024
  }
  return `${value.toFixed(1)} TiB`
}

/** `0`, `85 ms`, `4.2 s`, `12 min`, `3 h`, `9 days` */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0'
  if (ms < SECOND) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
  if (ms < 10 * SECOND) return `${(ms / SECOND).toFixed(1)} s`
  if (ms < 2 * MINUTE) return `${Math.floor(ms / SECOND)} s`
  if (ms < 2 * HOUR) return `${Math.floor(ms / MINUTE)} min`
  if (ms < 2 * DAY) return `${Math.floor(ms / HOUR)} h`
  return `${Math.floor(ms / DAY)} days`
}

/** `3 min ago`, `in 5 min` */
export function formatAge(at: Date, now: number): string {
  const ms = now - at.getTime()
  const away = Math.abs(ms)
  if (away < 2 * SECOND) return 'now'
  const text = away < MINUTE ? `${Math.floor(away / SECOND)} s` : formatDuration(away)
  return ms > 0 ? `${text} ago` : `in ${text}`
}

/** How long until `formatAge` may say something else, in milliseconds. */
export function ageChangesIn(at: Date, now: number): number {
  const away = Math.abs(now - at.getTime())
  if (away < 2 * MINUTE) return SECOND
  return away < 2 * HOUR ? MINUTE / 2 : HOUR / 2
}

const DURATIONS: Record<string, number> = { ms: 1, s: SECOND, m: MINUTE, min: MINUTE, h: HOUR, d: DAY }
const SIZES: Record<string, number> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 }

/** `90s`, `5m`, `2h`, `1d` to milliseconds; `null` if it is none. */
export function parseDuration(text: string): number | null {
  const [, number, unit = 's'] = /^(\d+(?:\.\d+)?) ?(ms|s|m|min|h|d)?$/.exec(text.trim()) ?? []
  return number === undefined ? null : Math.round(Number(number) * (DURATIONS[unit] ?? SECOND))
}

/** `512M`, `1.5 GiB` to bytes; `null` if it is none. */
export function parseSize(text: string): number | null {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?) ?([KMGT]?)(?:i?B)?$/i.exec(text.trim()) ?? []
  return number === undefined ? null : Math.round(Number(number) * (SIZES[unit.toUpperCase()] ?? 1))
}

/** An id where there is room for a part of it alone. */
export function shortId(id: string): string {
  return id.length > 12 ? `…${id.slice(-8)}` : id
}

/** What people call it. */
export function nameOf(thing: { id: string; name: string | null }): string {
  return thing.name ?? shortId(thing.id)
}

/** As `parseDuration` reads it: the largest unit that it is a whole number of. */
export function durationText(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's'])
    if (ms % (DURATIONS[unit] ?? 1) === 0 && ms > 0) return `${ms / (DURATIONS[unit] ?? 1)}${unit}`
  return ms === 0 ? '0' : `${ms}ms`
}

/** As `parseSize` reads it. */
export function sizeText(bytes: number): string {
  for (const unit of ['T', 'G', 'M', 'K'])
    if (bytes % (SIZES[unit] ?? 1) === 0 && bytes > 0) return `${bytes / (SIZES[unit] ?? 1)}${unit}`
  return String(bytes)
}

/** `1 sandbox`, `2 sandboxes`; `more` where there are more than could be counted. */
export function counted(count: number, one: string, many: string, more = false): string {
  return `${count}${more ? '+' : ''} ${count === 1 && !more ? one : many}`
}
