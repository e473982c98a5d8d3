import { UsageError } from '../exit.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const DURATIONS: Record<string, number> = { ms: 1, s: SECOND, m: MINUTE, h: HOUR, d: DAY }

/** `90s`, `5m`, `2h`, `1d`, `250ms` to milliseconds. Throws `UsageError`. */
export function parseDuration(text: string): number {
  const [, number, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text) ?? []
  if (number === undefined) throw new UsageError(`'${text}' is not a duration; write 30s, 5m, 2h or 1d`)
  return Math.round(Number(number) * (DURATIONS[unit] as number))
}

/** As `parseDuration`; `never` is `null`. */
export function parseDurationOrNever(text: string): number | null {
  return text === 'never' ? null : parseDuration(text)
}

const SIZES: Record<string, number> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 }

/** `512M`, `2G`, `1.5GiB`, `1048576` to bytes. Throws `UsageError`. */
export function parseSize(text: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?$/i.exec(text) ?? []
  if (number === undefined) throw new UsageError(`'${text}' is not a size; write 512M or 2G`)
  return Math.round(Number(number) * (SIZES[unit.toUpperCase()] as number))
}

export function formatDuration(ms: number): string {
  if (ms < 1) return `${ms.toFixed(1)}ms`
  if (ms < SECOND) return `${Math.round(ms)}ms`
  if (ms < 10 * SECOND) return `${(ms / SECOND).toFixed(1)}s`
  if (ms < 2 * MINUTE) return `${Math.floor(ms / SECOND)}s`
  if (ms < 2 * HOUR) return `${Math.floor(ms / MINUTE)}m`
  if (ms < 2 * DAY) return `${Math.floor(ms / HOUR)}h`
  return `${Math.floor(ms / DAY)}d`
}

/** `3m ago`, `in 5m`; `-` for none. */
export function formatAge(at: Date | null, now = Date.now()): string {
  if (at === null) return '-'
  const ms = now - at.getTime()
  if (Math.abs(ms) < SECOND) return 'now'
  return ms > 0 ? `${formatDuration(ms)} ago` : `in ${formatDuration(-ms)}`
}

export function formatBytes(bytes: number): string {
  let value = bytes
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (value < 1024) return `${unit === 'B' || value >= 100 ? Math.round(value) : value.toFixed(1)} ${unit}`
    value /= 1024
  }
  return `${value.toFixed(1)} TiB`
}
