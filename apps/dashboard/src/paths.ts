/** `/a/b` and `c` to `/a/b/c` */
export function joined(directory: string, name: string): string {
  return directory === '/' ? `/${name}` : `${directory}/${name}`
}

/** Each directory on the way to this one, from the root. */
export function waypoints(path: string): { name: string; path: string }[] {
  const parts = path.split('/').filter((part) => part !== '')
  const inside = parts.map((name, index) => ({ name, path: `/${parts.slice(0, index + 1).join('/')}` }))
  return [{ name: '/', path: '/' }, ...inside]
}

/** Text if it is UTF-8 without zero bytes, else `null`. */
export function textOf(bytes: Uint8Array): string | null {
  if (bytes.includes(0)) return null
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}
