import type { IngressPolicy, NetworkPolicy, PortAccess, TimeoutPolicy } from '@spawnpoint/core'
import { z } from 'zod'
import { milliseconds } from './common.ts'
import { component } from './registry.ts'

const withPort = z
  .string()
  .regex(/^[\d.]+(\/\d+)?:\d{1,5}$/, 'Expected an address or CIDR, `:PORT` behind it for a TCP port')
const cidr = z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6(), withPort], {
  error:
    'Expected an address or CIDR, such as 10.0.0.0/8, `:PORT` behind it for a TCP port; names go into `allowDomains` and `denyDomains`',
})
const internet = z.boolean().describe('Outbound connections at all')
const cidrs = z.array(cidr).max(256)
const precedence = z
  .enum(['deny', 'allow'])
  .describe(
    '`deny`: with an allow list only what it names is reachable, less what `deny` names. `allow`: everything is, but for what `deny` names and no allow list excepts',
  )
const domains = z
  .array(z.string().min(1).max(255))
  .max(256)
  .describe(
    'Host names reachable over TLS and HTTP on ports 443 and 80; `*.name` for all names below it, `name:PORT` for that TCP port alone, `~` and an RE2 expression that is looked for in a name',
  )

export const network: z.ZodType<NetworkPolicy> = component(
  'NetworkPolicy',
  z.object({
    internet,
    allow: z.array(z.string()),
    deny: z.array(z.string()),
    allowDomains: z.array(z.string()),
    denyDomains: z
      .array(z.string())
      .optional()
      .describe('Host names that are not reachable, and ports that names have behind them, of all hosts; default none'),
    precedence,
  }),
  {
    description:
      '`allow` and `deny` are CIDRs, `allowDomains` host names (`*.name` for all below it, `~` before an expression); `:PORT` behind one is for that TCP port alone',
    examples: [{ internet: true, allow: [], deny: ['10.0.0.0/8'], allowDomains: [], precedence: 'deny' }],
  },
)

export const timeoutMs = milliseconds
  .min(1)
  .nullable()
  .describe('From creation, resume or extension to expiry; `null` for never')
const idleTimeoutMs = milliseconds
  .min(1)
  .nullable()
  .describe('Without a request to the sandbox until `onTimeout` happens; `null` for never')
const onTimeout = z.enum(['kill', 'pause', 'stop']).describe('`stop` ends the processes and keeps the filesystem')
const autoResume = z
  .boolean()
  .describe('A use of the paused or stopped sandbox brings it back, its timeout counting anew, and then goes on')
const deleteAfterMs = milliseconds
  .min(1)
  .nullable()
  .describe('Paused, stopped or failed, counted from `haltedAt`, until it is killed; `null` for never')

export const timeout: z.ZodType<TimeoutPolicy> = component(
  'TimeoutPolicy',
  z.object({ timeoutMs, idleTimeoutMs, onTimeout, autoResume, deleteAfterMs }),
  {
    examples: [
      { timeoutMs: 300000, idleTimeoutMs: null, onTimeout: 'pause', autoResume: true, deleteAfterMs: 604800000 },
    ],
  },
)

const portAccess = z
  .enum(['open', 'token', 'closed'] as const satisfies readonly PortAccess[])
  .describe('Who reaches a port through an address of its own: anybody, only who shows a token, nobody')
const portAccesses = z
  .record(z.string().regex(/^[1-9]\d{0,4}$/, 'Expected a port number'), portAccess)
  .describe('By port number; for the others `default` holds')
const hostHeader = z
  .string()
  .min(1)
  .max(255)
  .nullable()
  .describe(
    `Host header that programs see, $\{PORT} in it standing for the port; null for the one that the client sent`,
  )

const tlsPorts = z
  .array(z.int().min(1).max(65_535))
  .max(256)
  .describe('Ports whose programs speak TLS themselves; their certificates are not checked')

export const ingress: z.ZodType<IngressPolicy> = component(
  'IngressPolicy',
  z.object({ default: portAccess, ports: portAccesses, hostHeader, tlsPorts: tlsPorts.optional() }),
  { examples: [{ default: 'token', ports: { 8080: 'open' }, hostHeader: null }] },
)

export const networkChange = z.strictObject({
  internet: internet.exactOptional(),
  allow: cidrs.exactOptional(),
  deny: cidrs.exactOptional(),
  allowDomains: domains.exactOptional(),
  denyDomains: domains.exactOptional(),
  precedence: precedence.exactOptional(),
})
export const timeoutChange = z.strictObject({
  timeoutMs: timeoutMs.exactOptional(),
  idleTimeoutMs: idleTimeoutMs.exactOptional(),
  onTimeout: onTimeout.exactOptional(),
  autoResume: autoResume.exactOptional(),
  deleteAfterMs: deleteAfterMs.exactOptional(),
})
export const ingressChange = z.strictObject({
  default: portAccess.exactOptional(),
  ports: portAccesses.exactOptional(),
  hostHeader: hostHeader.exactOptional(),
  tlsPorts: tlsPorts.exactOptional(),
})
