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
 * What a page that a sandbox wrote may do in the browser that follows a link to it. These pages come from this server's own
 * host: they never get its origin.
 */
export function contentPolicy({
  csp_sandbox: sandbox,
  csp_sandbox_flags: flags = [],
  csp_source_bundles: bundles,
}: z.output<typeof fields>): string {
  if (sandbox === false) throw unsupported('csp_sandbox: false')
  if (flags.includes('allow-same-origin')) throw unsupported('csp_sandbox_flags: allow-same-origin')
  const directive = ['sandbox', ...new Set(flags)].join(' ')
  if (bundles === undefined && flags.length === 0) return directive
  const named = bundles ?? (Object.keys(BUNDLES) as (keyof typeof BUNDLES)[])
  const alone = named.find((one) => one === 'none' || one === 'any')
  if (alone !== undefined && named.length > 1)
    throw invalidArgument('body.csp_source_bundles', `${alone} is not together with others`)
  if (alone === 'any') return directive
  const origins = named.flatMap((one) => (one === 'none' || one === 'any' ? [] : BUNDLES[one]))
  return `${directive}; default-src ${["'self'", "'unsafe-inline'", "'unsafe-eval'", 'data:', 'blob:', ...origins].join(' ')}`
}
