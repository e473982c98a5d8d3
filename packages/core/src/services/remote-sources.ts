import { invalidArgument } from '../errors.ts'
import type { BucketSource, CredentialScheme, GitSource, RemoteSource } from '../model.ts'

const MAX_URL_CHARS = 2048
const MAX_PREFIX_BYTES = 1024
/** As of registries: without TLS only here */
const OWN_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/
const BUCKET = /^[A-Za-z0-9$_-][A-Za-z0-9._-]{1,254}$/
const REGION = /^[a-z0-9-]{1,64}$/
const ACCOUNT = /^[a-z0-9]{3,24}$/
/** What may be left of an address's first name */
const DNS_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/** The kinds of credentials that a remote may have of its own. */
export const AUTHS_OF: Record<RemoteSource['type'], readonly CredentialScheme['type'][]> = {
  git: [],
  s3: ['aws', 'aws_role'],
  gcs: ['google', 'google_identity'],
  azure: ['azure_key', 'azure_sas', 'azure_identity'],
}

/** As it is kept. Rejects `invalid_argument`. */
export function checkSource(field: string, source: RemoteSource): RemoteSource {
  return source.type === 'git' ? gitSource(field, source) : bucketSource(field, source)
}

/** Of the address that is asked for it. */
export function hostOf(source: RemoteSource): string {
  return (source.type === 'git' ? new URL(source.url) : bucketUrl(source)).hostname
}

/** Where a bucket is: what is behind the slash at its end is of the store's protocol. */
export function bucketUrl(source: BucketSource): URL {
  if (source.type === 'gcs') return new URL(source.endpoint ?? 'https://storage.googleapis.com/')
  if (source.type === 'azure') {
    const { endpoint, account, bucket } = source
    // Of another endpoint it is in the path, as of emulators.
    const base = endpoint === null ? `https://${account}.blob.core.windows.net/` : new URL(account, endpoint).href
    return new URL(`${base.replace(/\/$/, '')}/${bucket}/`)
  }
  const { endpoint, region, bucket, pathStyle } = source
  const url = new URL(endpoint ?? `https://s3.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}/`)
  // A certificate for all buckets has room for one name, and none for an address.
  const named = !pathStyle && DNS_LABEL.test(bucket) && !/^\[|^[\d.]+$/.test(url.hostname)
  if (named) url.hostname = `${bucket}.${url.hostname}`
  else url.pathname = `/${bucket}/`
  return url
}

function gitSource(field: string, { type, url: text, ref }: GitSource): GitSource {
  const url = webAddress(`${field}.url`, text)
  if (url.protocol !== 'https:' && !OWN_HOST.test(url.hostname))
    throw invalidArgument(`${field}.url`, 'not an https address')
  if (url.pathname === '/') throw invalidArgument(`${field}.url`, 'names no repository')
  if (ref !== null && !isRefName(ref.name)) throw invalidArgument(`${field}.ref.name`, `not the name of a ${ref.type}`)
  return { type, url: url.href, ref: ref === null ? null : { type: ref.type, name: ref.name } }
}

function bucketSource(field: string, source: BucketSource): BucketSource {
  const { bucket } = source
  if (!BUCKET.test(bucket)) throw invalidArgument(`${field}.bucket`, '2 to 255 letters, digits, ., _ and -')
  const prefix = source.prefix.replace(/^\/+|\/+$/g, '')
  if (Buffer.byteLength(prefix) > MAX_PREFIX_BYTES)
    throw invalidArgument(`${field}.prefix`, `at most ${MAX_PREFIX_BYTES} bytes`)
  if (prefix !== '' && !isObjectPath(prefix)) throw invalidArgument(`${field}.prefix`, 'not a path of directories')
  const objects = { bucket, prefix, endpoint: endpointOf(`${field}.endpoint`, source.endpoint) }
  if (source.type === 'gcs') return { type: 'gcs', ...objects }
  if (source.type === 'azure') {
    if (!ACCOUNT.test(source.account))
      throw invalidArgument(`${field}.account`, '3 to 24 lower-case letters and digits')
    return { type: 'azure', ...objects, account: source.account }
  }
  if (!REGION.test(source.region)) throw invalidArgument(`${field}.region`, 'not the name of a region')
  return { type: 's3', ...objects, region: source.region, pathStyle: source.pathStyle }
}

function endpointOf(field: string, text: string | null): string | null {
  if (text === null) return null
  const url = webAddress(field, text)
  if (url.pathname !== '/') throw invalidArgument(field, 'has a path')
  return url.href
}

function webAddress(field: string, text: string): URL {
  const url = URL.parse(text)
  if (url === null || text.length > MAX_URL_CHARS || /\s/.test(text)) throw invalidArgument(field, 'not a URL')
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw invalidArgument(field, 'not an https address')
  if (url.username !== '' || url.password !== '')
    throw invalidArgument(field, 'has a user or password in it; give a credential for its host')
  if (url.search !== '' || url.hash !== '') throw invalidArgument(field, 'has a query or fragment')
  return url
}

/** Whether a key is the path of a file, or a prefix that of a directory, below another. */
export function isObjectPath(key: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: no file has a NUL in its name
  if (/\u0000/.test(key) || Buffer.byteLength(key) > 4 * MAX_PREFIX_BYTES) return false
  return key.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && Buffer.byteLength(part) <= 255)
}

/** As `git check-ref-format` has it. */
function isRefName(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are among what is refused
  const refused = /[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{|\/\/|^\/|\/$|\.$|^@$/
  const parts = name.split('/')
  return (
    name.length >= 1 &&
    name.length <= 255 &&
    !refused.test(name) &&
    !parts.some((part) => part.startsWith('.') || part.endsWith('.lock'))
  )
}
