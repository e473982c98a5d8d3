import type { OutgoingValue } from '@spawnpoint/core'
import { type Authorized, NotAuthorized, type OutgoingRequest } from './outgoing-request.ts'

const BASIC = /^(Basic +)([A-Za-z0-9+/]+={0,2})$/i

/**
 * A request with values in place of their names: in its target, its headers, and what Basic credentials have encoded. Rejects
 * `NotAuthorized` for a value that is needed and cannot be read. A body is left as it is.
 */
export function filledIn(
  values: readonly OutgoingValue[],
  { target, headers }: Pick<OutgoingRequest, 'target' | 'headers'>,
): Authorized {
  // In one pass, so that no value is taken for a name; a name that begins with another goes first.
  const names = values.map(({ name }) => name).sort((a, b) => b.length - a.length)
  const pattern = new RegExp(names.join('|'), 'g')
  const meantBy = (name: string) => {
    const value = values.find((one) => one.name === name)?.value ?? null
    if (value === null) throw new NotAuthorized(502, `what ${name} stands for cannot be read; set it again`)
    return value
  }
  const fill = (text: string) => text.replace(pattern, meantBy)
  const filled = headers.map(([name, value]) => ({ name, value: inBasic(fill(value), fill), before: value }))
  const changed = new Set(filled.filter(({ value, before }) => value !== before).map(({ name }) => folded(name)))
  // Whatever has the name of a header that is set goes: those beside it come along.
  const set = filled.filter(({ name }) => changed.has(folded(name))).map(({ name, value }) => ({ name, value }))
  return { set, target: target.replace(pattern, (name) => encodeURIComponent(meantBy(name))) }
}

function inBasic(value: string, fill: (text: string) => string): string {
  const [, scheme, encoded] = BASIC.exec(value) ?? []
  if (scheme === undefined || encoded === undefined) return value
  const decoded = Buffer.from(encoded, 'base64').toString('latin1')
  const next = fill(decoded)
  return next === decoded ? value : `${scheme}${Buffer.from(next, 'latin1').toString('base64')}`
}

/** Some servers take `_` for `-`. */
function folded(name: string): string {
  return name.toLowerCase().replaceAll('_', '-')
}
