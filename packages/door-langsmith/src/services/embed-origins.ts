import { z } from 'zod'

const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])$/

/** Pages that may show a service in a frame, as their origins: `https`, or `http` of the browser's own machine. */
export const embedOriginsSchema = z.array(z.string().max(256).transform(originOf)).max(5)

function originOf(text: string, context: z.RefinementCtx): string {
  const url = URL.canParse(text) ? new URL(text) : null
  const bare = url !== null && url.pathname === '/' && url.search + url.hash + url.username + url.password === ''
  const safe = url?.protocol === 'https:' || (url?.protocol === 'http:' && LOOPBACK.test(url.hostname))
  if (url !== null && bare && safe && url.origin.length <= MAX_CHARS) return url.origin
  context.addIssue({ code: 'custom', message: 'an origin such as https://app.example.com, http only for localhost' })
  return z.NEVER
}

/** Five of them have to fit into a label. */
const MAX_CHARS = 128

/** For an answer's `Content-Security-Policy`, beside the program's own. */
export function framesOf(origins: readonly string[]): Record<string, string> {
  return { 'Content-Security-Policy': ['frame-ancestors', "'self'", ...origins].join(' ') }
}
