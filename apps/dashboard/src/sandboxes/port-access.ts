import type { PortAccess } from 'spawnpoint'
import { pairsText, parsePairs } from '../names.ts'

const ACCESS: readonly string[] = ['open', 'token', 'closed'] satisfies PortAccess[]

export const portsText = pairsText

/** Lines of `PORT=open`, `token` or `closed`. */
export function parsePorts(text: string): { ports: Record<string, PortAccess> } | { error: string } {
  const parsed = parsePairs(text)
  if ('error' in parsed) return { error: parsed.error.replace('KEY=value', 'PORT=open') }
  const ports: Record<string, PortAccess> = {}
  for (const [port, value] of Object.entries(parsed.pairs)) {
    const access = value.trim()
    if (!/^[1-9]\d{0,4}$/.test(port) || Number(port) > 65_535) return { error: `'${port}' is not a port` }
    if (!isAccess(access)) return { error: `'${access}' is not open, token or closed` }
    ports[port] = access
  }
  return { ports }
}

function isAccess(text: string): text is PortAccess {
  return ACCESS.includes(text)
}
