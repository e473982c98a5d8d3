const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\]|.+\.localhost)$/

/**
 * Where a browser finds a sandbox's port without a key, as an origin of its own: below the server's domain, or below
 * `localhost`, which browsers look for on their own machine. `null` if neither is to be had.
 */
export function portAddress(
  page: { protocol: string; hostname: string; port: string },
  domain: string | null,
  id: string,
  port: number,
): string | null {
  if (domain !== null) return `${page.protocol}//${port}-${id}.${domain}/`
  if (!LOOPBACK.test(page.hostname)) return null
  return `${page.protocol}//${port}-${id}.localhost${page.port === '' ? '' : `:${page.port}`}/`
}
