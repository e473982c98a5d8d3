import type { CopyStep } from '@spawnpoint/core'
import { escaped, keyed, type Pack } from './copy.ts'
import type { Fetched } from './downloads.ts'
import { DockerfileError } from './failure.ts'
import type { Permissions } from './permissions.ts'

/** What is at an address, `null` as long as that has not been looked at; then it is, and everything is planned anew. */
export type FetchedAt = (line: number, address: string) => Fetched | null

export function isAddress(source: string): boolean {
  return /^https?:\/\//.test(source) && !isRepository(source)
}

/** As Docker tells them: by how the address ends, or begins. */
export function isRepository(source: string): boolean {
  return /^(git@|git:\/\/|ssh:\/\/)/.test(source) || /^[^?#]*\.git(#|\?|$)/.test(source)
}

/** A file from an address, as it is there: nothing is unpacked, as with Docker. */
export function addressStep(
  line: number,
  source: string,
  destination: string,
  { owner, mode, checksum }: { owner: string | null; mode: Permissions | null; checksum: string | null },
  { fetchedAt, packs }: { fetchedAt: FetchedAt; packs: Map<string, Pack> },
): CopyStep[] {
  const url = URL.parse(source)
  if (url === null) throw new DockerfileError(line, `'${source.slice(0, 200)}' is no address`)
  url.hash = ''
  const name = nameOf(url) ?? (destination.endsWith('/') ? null : 'file')
  if (name === null)
    throw new DockerfileError(
      line,
      `'${source.slice(0, 200)}' names no file; give a destination without '/' at its end`,
    )
  const fetched = fetchedAt(line, url.href)
  if (fetched === null) return []
  if (checksum !== null && fetched.digest !== checksum)
    throw new DockerfileError(line, `what is at ${source.slice(0, 200)} has the checksum sha256:${fetched.digest}`)
  const content = { address: url.href, digest: fetched.digest }
  const permissions = mode?.of(0o600, false) ?? 0o600
  const pack = keyed([{ name, type: 'file', mode: permissions, sizeBytes: fetched.sizeBytes, content }])
  packs.set(pack.key, pack)
  return [{ type: 'copy', blob: pack.key, source: escaped(name), destination, user: owner ?? '0:0' }]
}

function nameOf({ pathname }: URL): string | null {
  const last = pathname.slice(pathname.lastIndexOf('/') + 1)
  let name = last
  try {
    name = decodeURIComponent(last)
  } catch {
    // It has a % that means itself, and is called as it is written.
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: no name of a file has these
  return name === '' || name === '.' || name === '..' || /[/\u0000-\u001f]/.test(name) || name.length > 255
    ? null
    : name
}
