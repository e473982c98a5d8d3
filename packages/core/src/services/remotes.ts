import type { RemoteRequest } from '../api.ts'
import { invalidArgument } from '../errors.ts'
import type { GitSource, Remote, VolumeMount } from '../model.ts'
import type { Parts } from '../parts.ts'
import { LIMITS } from './checks.ts'
import { checkMountPath, isWithin } from './volumes.ts'

const MAX_REMOTES = 16
const MAX_URL_CHARS = 2048
const NAME = /^[A-Za-z0-9_-]{1,64}$/
/** As of registries: without TLS only here */
const OWN_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

/** What a request for remotes is kept as. Rejects `invalid_argument`. */
export function remotesOf(
  { remotes: readers = [] }: Parts,
  asked: readonly RemoteRequest[],
  volumes: readonly VolumeMount[],
): Remote[] {
  if (asked.length > MAX_REMOTES) throw invalidArgument('remotes', `at most ${MAX_REMOTES}`)
  const taken = volumes.map(({ path }) => path)
  const names = new Set<string>()
  const remotes = asked.map(({ name, path, source, refreshMs = null }, index): Remote => {
    const field = `remotes.${index}`
    if (!NAME.test(name)) throw invalidArgument(`${field}.name`, '1 to 64 letters, digits, _ and -')
    if (names.has(name)) throw invalidArgument(`${field}.name`, `there is another remote ${name}`)
    names.add(name)
    checkMountPath(`${field}.path`, path)
    const within = taken.find((other) => isWithin(path, other) || isWithin(other, path))
    if (within !== undefined) throw invalidArgument(`${field}.path`, `overlaps with ${within}`)
    taken.push(path)
    if (!readers.some(({ type }) => type === source.type))
      throw invalidArgument(`${field}.source.type`, `this server brings nothing of ${source.type}`)
    if (
      refreshMs !== null &&
      !(Number.isSafeInteger(refreshMs) && refreshMs >= 1_000 && refreshMs <= LIMITS.maxTimeoutMs)
    )
      throw invalidArgument(`${field}.refreshMs`, `1000 to ${LIMITS.maxTimeoutMs} milliseconds, or null for never`)
    return { name, path, source: gitSource(`${field}.source`, source), refreshMs, version: null }
  })
  return remotes.sort((a, b) => (a.path < b.path ? -1 : 1))
}

function gitSource(field: string, { type, url: text, ref }: GitSource): GitSource {
  const url = URL.parse(text)
  if (url === null || text.length > MAX_URL_CHARS || /\s/.test(text)) throw invalidArgument(`${field}.url`, 'not a URL')
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && OWN_HOST.test(url.hostname)))
    throw invalidArgument(`${field}.url`, 'not an https address')
  if (url.username !== '' || url.password !== '')
    throw invalidArgument(`${field}.url`, 'has a user or password in it; give a credential for its host')
  if (url.search !== '' || url.hash !== '') throw invalidArgument(`${field}.url`, 'has a query or fragment')
  if (url.pathname === '/') throw invalidArgument(`${field}.url`, 'names no repository')
  if (ref !== null && !isRefName(ref.name)) throw invalidArgument(`${field}.ref.name`, `not the name of a ${ref.type}`)
  return { type, url: url.href, ref: ref === null ? null : { type: ref.type, name: ref.name } }
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
