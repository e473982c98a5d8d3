import { readFile } from 'node:fs/promises'
import { isReachableByGuests } from './cidr.ts'

/**
 * Where the host itself asks for names, as far as guests can ask there too: a resolver on the host's loopback answers the
 * host only, so what stands behind it is taken instead. Empty if nothing usable is found.
 */
export async function hostResolvers(
  files: readonly string[] = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'],
): Promise<string[]> {
  for (const file of files) {
    let text: string
    try {
      text = await readFile(file, 'utf8')
    } catch {
      // ENOENT: this host has no such file.
      continue
    }
    const usable = text
      .split('\n')
      .map((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? '')
      .filter(isReachableByGuests)
    if (usable.length > 0) return usable
  }
  return []
}
