import { invalidArgument } from './errors.ts'

/** Where an image of type `oci` is, as `docker pull` or skopeo would be told. */
export type ImageReference = RegistryReference | ArchiveReference

export interface RegistryReference {
  transport: 'registry'
  /** `host[:port]`; `docker.io` where the text names none */
  registry: string
  repository: string
  /** `latest` where the text says neither; `null` if a digest says it all */
  tag: string | null
  digest: string | null
}

/** In the server's imports directory: an OCI layout as a directory or a tar of it, or what `docker save` writes. */
export interface ArchiveReference {
  transport: 'oci' | 'oci-archive' | 'docker-archive'
  name: string
  /** Which of several images: a tag, or a whole name for `docker-archive`; `null` for the only one */
  select: string | null
}

export const DEFAULT_REGISTRY = 'docker.io'
const HOST = /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:]+\])(?::\d{1,5})?$/
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/
const TAG = /^\w[\w.-]{0,127}$/
const DIGEST = /^sha256:[0-9a-f]{64}$/
const FILE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/

/**
 * `[docker://][HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]`, `oci:NAME[:TAG]`, `oci-archive:NAME[:TAG]` or
 * `docker-archive:NAME[:IMAGE[:TAG]]`. Rejects `invalid_argument` at `path`.
 */
export function parseImageReference(text: string, path = 'source.reference'): ImageReference {
  const [, transport, rest = ''] = /^(oci|oci-archive|docker-archive):([^/].*)$/.exec(text) ?? []
  if (transport === 'oci' || transport === 'oci-archive' || transport === 'docker-archive') {
    return archive(transport, rest, path)
  }
  return inRegistry(text.replace(/^docker:\/\//, ''), path)
}

/** As it would be written in full. */
export function formatImageReference(reference: ImageReference): string {
  if (reference.transport !== 'registry') {
    return `${reference.transport}:${reference.name}${reference.select === null ? '' : `:${reference.select}`}`
  }
  const { registry, repository, tag, digest } = reference
  return `${registry}/${repository}${tag === null ? '' : `:${tag}`}${digest === null ? '' : `@${digest}`}`
}

/** Docker Hub has several names. */
export function normalRegistryHost(host: string): string {
  return host === 'index.docker.io' || host === 'registry-1.docker.io' ? DEFAULT_REGISTRY : host
}

function archive(transport: ArchiveReference['transport'], rest: string, path: string): ArchiveReference {
  const colon = rest.indexOf(':')
  const name = colon < 0 ? rest : rest.slice(0, colon)
  const select = colon < 0 ? null : rest.slice(colon + 1)
  if (!FILE.test(name)) {
    throw invalidArgument(path, "after the transport, the name of a file in the server's imports directory without '/'")
  }
  if (select === null) return { transport, name, select }
  if (transport === 'docker-archive') inRegistry(select, path)
  else if (!TAG.test(select)) throw invalidArgument(path, `not a tag: ${select.slice(0, 128)}`)
  return { transport, name, select }
}

function inRegistry(text: string, path: string): RegistryReference {
  if (text.length > 512) throw invalidArgument(path, 'at most 512 characters')
  const [beforeDigest = '', digest = null, ...more] = text.split('@')
  if (more.length > 0 || (digest !== null && !DIGEST.test(digest))) {
    throw invalidArgument(path, 'after @, a digest: sha256: and 64 hex digits')
  }
  const [, untagged = '', tag] = /^(.*?)(?::([^/:]*))?$/.exec(beforeDigest) ?? []
  if (tag !== undefined && !TAG.test(tag)) throw invalidArgument(path, `not a tag: ${tag.slice(0, 128)}`)
  const slash = untagged.indexOf('/')
  const first = slash < 0 ? '' : untagged.slice(0, slash)
  // As Docker tells a host from the first part of a repository.
  const named = /[.:]/.test(first) || first === 'localhost'
  const registry = normalRegistryHost(named ? first : DEFAULT_REGISTRY)
  let repository = named ? untagged.slice(slash + 1) : untagged
  if (!HOST.test(registry)) throw invalidArgument(path, `not the address of a registry: ${registry.slice(0, 128)}`)
  if (!REPOSITORY.test(repository) || repository.length > 255) {
    throw invalidArgument(path, 'not an image: [HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST], in lower case')
  }
  if (registry === DEFAULT_REGISTRY && !repository.includes('/')) repository = `library/${repository}`
  return {
    transport: 'registry',
    registry,
    repository,
    tag: tag ?? (digest === null ? 'latest' : null),
    digest,
  }
}
