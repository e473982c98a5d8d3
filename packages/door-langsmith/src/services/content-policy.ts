import { invalidArgument } from '@spawnpoint/core'
import { optional } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { unsupported } from '../errors.ts'

const FLAGS = [
  'allow-downloads',
  'allow-forms',
  'allow-modals',
  'allow-orientation-lock',
  'allow-pointer-lock',
  'allow-popups',
  'allow-presentation',
  'allow-same-origin',
  'allow-scripts',
  'allow-top-navigation-by-user-activation',
] as const

const BUNDLES = {
  cdnjs: ['https://cdnjs.cloudflare.com'],
  'google-fonts': ['https://fonts.googleapis.com', 'https://fonts.gstatic.com'],
  jsdelivr: ['https://cdn.jsdelivr.net'],
  unpkg: ['https://unpkg.com'],
} as const

export const contentPolicyFields = {
  csp_sandbox: optional(z.boolean()),
  csp_sandbox_flags: optional(z.array(z.enum(FLAGS)).max(FLAGS.length)),
  csp_source_bundles: optional(z.array(z.enum(['cdnjs', 'google-fonts', 'jsdelivr', 'unpkg', 'none', 'any'])).max(4)),
}
const fields = z.object(contentPolicyFields)

/**
 * What a page that a sandbox wrote may do in the browser that follows a link to it; empty for anything. A page has an origin only
 * where it has a host: that of this server is not for it.
 */
export function contentPolicy(
  { csp_sandbox: sandbox, csp_sandbox_flags: asked, csp_source_bundles: bundles }: z.output<typeof fields>,
  hasHost: boolean,
): string {
  const flags = asked ?? []
  if (sandbox === false && asked !== undefined)
    throw invalidArgument('body.csp_sandbox_flags', 'not with csp_sandbox: false')
  const directive = sandbox === false ? [] : [['sandbox', ...new Set(flags)].join(' ')]
  if (givesOrigin(directive.join('')) && !hasHost)
    throw unsupported(
      'csp_sandbox: false and allow-same-origin, without a domain whose names are hosts for files (SPAWNPOINT_DOMAIN)',
    )
  if (bundles === undefined && flags.length === 0 && sandbox !== false) return directive.join('')
  const named = bundles ?? (Object.keys(BUNDLES) as (keyof typeof BUNDLES)[])
  const alone = named.find((one) => one === 'none' || one === 'any')
  if (alone !== undefined && named.length > 1)
    throw invalidArgument('body.csp_source_bundles', `${alone} is not together with others`)
  if (alone === 'any') return directive.join('')
  const origins = named.flatMap((one) => (one === 'none' || one === 'any' ? [] : BUNDLES[one]))
  const sources = ["'self'", "'unsafe-inline'", "'unsafe-eval'", 'data:', 'blob:', ...origins]
  return [...directive, `default-src ${sources.join(' ')}`].join('; ')
}

/** Whether what is served so has the origin of the host that it comes from. */
export function givesOrigin(policy: string): boolean {
  return !/^sandbox\b/.test(policy) || /^sandbox [^;]*\ballow-same-origin\b/.test(policy)
}
