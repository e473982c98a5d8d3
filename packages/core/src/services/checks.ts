import { BlockList, isIP } from 'node:net'
import type { BuildImageRequest, SandboxOverrides } from '../api.ts'
import { invalidArgument, SpawnpointError } from '../errors.ts'
import { expressionFault, isExpression, MAX_EXPRESSIONS, splitPort } from '../host-list.ts'
import { parseImageReference } from '../image-reference.ts'
import type {
  BaseSource,
  Env,
  ImageDefaults,
  IngressPolicy,
  Labels,
  NetworkPolicy,
  PortAccess,
  Resources,
  TimeoutPolicy,
} from '../model.ts'
import type { CoreConfig } from '../parts.ts'
import type { AwsRegistryKeys, ProcessSpec } from '../ports/index.ts'
import { checkName } from './refs.ts'

/** Bounds on what a request may bring. Doors check shapes; these rules hold whichever door it came through. */
export const LIMITS = {
  labels: 64,
  /** Of an image that is uploaded */
  layers: 256,
  labelKeyChars: 128,
  labelValueChars: 1024,
  envEntries: 256,
  envChars: 32 * 1024,
  arguments: 1024,
  argumentChars: 64 * 1024,
  exposedPorts: 256,
  cidrs: 256,
  domains: 256,
  ingressPorts: 256,
  /** Registries of cloud providers give out tokens of some thousands */
  passwordChars: 16 * 1024,
  maxTimeoutMs: 365 * 24 * 3600 * 1000,
  minMemoryBytes: 64 * 1024 * 1024,
  minDiskBytes: 64 * 1024 * 1024,
} as const

const PORT_ACCESS: readonly PortAccess[] = ['open', 'token', 'closed']

export function checkOverrides(request: SandboxOverrides): void {
  if (request.name !== undefined) checkName('name', request.name)
  if (request.env !== undefined) checkEnv('env', request.env)
  if (request.labels !== undefined) checkLabels(request.labels)
}

export function checkLabels(labels: Labels): void {
  const entries = Object.entries(labels)
  if (entries.length > LIMITS.labels) throw invalidArgument('labels', `at most ${LIMITS.labels}`)
  for (const [key, value] of entries) {
    if (key.length < 1 || key.length > LIMITS.labelKeyChars || !clean(key))
      throw invalidArgument('labels', 'a key is 1 to 128 characters without control characters')
    if (value.length > LIMITS.labelValueChars || !clean(value))
      throw invalidArgument(`labels.${key}`, `at most ${LIMITS.labelValueChars} characters without control characters`)
  }
}

/** What a record says of the start of its image. */
export function checkStart({ startCommand = [], entrypoint = [], exposedPorts = [] }: Partial<ImageDefaults>): void {
  for (const [path, args] of Object.entries({ startCommand, entrypoint })) {
    if (args.length > LIMITS.arguments) throw invalidArgument(path, `at most ${LIMITS.arguments} arguments`)
    if (args.join(' ').length > LIMITS.argumentChars)
      throw invalidArgument(path, `at most ${LIMITS.argumentChars} characters in all`)
    if (args.some((arg) => arg.includes('\0') || !arg.isWellFormed()))
      throw invalidArgument(path, 'no NUL in arguments')
  }
  if (exposedPorts.length > LIMITS.exposedPorts) throw invalidArgument('exposedPorts', `at most ${LIMITS.exposedPorts}`)
  if (exposedPorts.some((port) => !Number.isInteger(port) || port < 1 || port > 65_535))
    throw invalidArgument('exposedPorts', '1 to 65535')
}

export function checkEnv(path: string, env: Env): void {
  const entries = Object.entries(env)
  if (entries.length > LIMITS.envEntries) throw invalidArgument(path, `at most ${LIMITS.envEntries} entries`)
  for (const [key, value] of entries) {
    if (!/^[^=\0]{1,256}$/.test(key)) throw invalidArgument(path, "a name is 1 to 256 characters without '=' or NUL")
    if (value.length > LIMITS.envChars || value.includes('\0'))
      throw invalidArgument(`${path}.${key}`, `at most ${LIMITS.envChars} characters without NUL`)
  }
}

/**
 * What Linux cannot hand to a program, which an agent would leave out or fail of without a word why. Every start of a process is
 * held to it, whoever asks.
 */
export function checkProcessSpec({ args, env, cwd }: Pick<ProcessSpec, 'args' | 'env' | 'cwd'>): void {
  for (const [index, arg] of args.entries())
    if (arg.includes('\0')) throw invalidArgument(`args.${index}`, 'without NUL')
  if (cwd?.includes('\0')) throw invalidArgument('cwd', 'without NUL')
  for (const [name, value] of Object.entries(env)) {
    if (!/^[^=\0]+$/.test(name)) throw invalidArgument('env', "a name is one or more characters without '=' or NUL")
    if (value.includes('\0')) throw invalidArgument(`env.${name.slice(0, 256)}`, 'without NUL')
  }
}

/** Names that reach a command line or a path on the host: nothing that could be an option or lead elsewhere. */
export function checkImageSource(source: BaseSource): void {
  if (source.type === 'tar') {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/.test(source.path)) {
      throw invalidArgument('source.path', "the name of a file in the server's imports directory, without '/'")
    }
    return
  }
  if (source.type === 'oci') {
    parseImageReference(source.reference)
    return
  }
  if (source.type === 'layers') {
    const { config, layers } = source
    if (layers.length > LIMITS.layers) throw invalidArgument('source.layers', `at most ${LIMITS.layers}`)
    if (![config, ...layers].every((key) => /^sha256:[0-9a-f]{64}$/.test(key)))
      throw invalidArgument('source.layers', 'keys of uploads such as sha256:HEX')
    return
  }
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(source.suite))
    throw invalidArgument('source.suite', 'not the name of a Debian suite')
  if (source.packages.length > 512) throw invalidArgument('source.packages', 'at most 512')
  for (const name of source.packages) {
    if (!/^[a-z0-9][a-z0-9+.:-]{0,127}$/.test(name))
      throw invalidArgument('source.packages', `not the name of a Debian package: ${name.slice(0, 64)}`)
  }
}

/** They go into a header of the request to the registry. */
export function checkCredentials({ source, credentials, registry }: BuildImageRequest): void {
  if (registry !== undefined && source.type !== 'oci')
    throw invalidArgument('registry', "only for a source of type 'oci'")
  if (credentials === undefined) return
  if (source.type !== 'oci') throw invalidArgument('credentials', "only for a source of type 'oci'")
  if (registry !== undefined) throw invalidArgument('credentials', 'give either them or a registry')
  if ('aws' in credentials) {
    checkAwsKeys(credentials.aws)
    return
  }
  checkUsername('credentials.username', credentials.username)
  checkPassword('credentials.password', credentials.password)
}

function checkAwsKeys({ region, accessKeyId, secretAccessKey }: AwsRegistryKeys): void {
  if (!/^[a-z]{2}(?:-[a-z0-9]+){1,4}$/.test(region) || region.length > 32)
    throw invalidArgument('credentials.aws.region', 'is no region')
  checkUsername('credentials.aws.accessKeyId', accessKeyId)
  checkPassword('credentials.aws.secretAccessKey', secretAccessKey)
}

export function checkUsername(path: string, username: string): void {
  if (username.length < 1 || username.length > 256 || username.includes(':') || !clean(username))
    throw invalidArgument(path, "1 to 256 characters without ':' or control characters")
}

export function checkPassword(path: string, password: string): void {
  if (password.length > LIMITS.passwordChars || !clean(password))
    throw invalidArgument(path, `at most ${LIMITS.passwordChars} characters, no control characters`)
}

/** What both ask for, field by field; of the same field, what `own` says. */
export function mergeOverrides(all: SandboxOverrides, own: SandboxOverrides): SandboxOverrides {
  return {
    ...all,
    ...defined(own),
    env: { ...all.env, ...own.env },
    labels: { ...all.labels, ...own.labels },
    resources: { ...all.resources, ...defined(own.resources) },
    network: { ...all.network, ...defined(own.network) },
    ingress: { ...all.ingress, ...defined(own.ingress) },
    timeout: { ...all.timeout, ...defined(own.timeout) },
  }
}

export function mergeResources(
  config: CoreConfig,
  base: Resources,
  asked: { [K in keyof Resources]?: Resources[K] | undefined } | undefined,
): Resources {
  const merged: Resources = { ...base, ...(defined(asked) as Partial<Resources>) }
  const max = config.maxResources
  for (const key of ['cpus', 'memoryBytes', 'diskBytes', 'maxProcesses'] as const) {
    if (!Number.isFinite(merged[key]) || merged[key] <= 0)
      throw invalidArgument(`resources.${key}`, 'must be a positive number')
    if (merged[key] > max[key]) {
      throw new SpawnpointError('limit_exceeded', `resources.${key}: at most ${max[key]} on this server`, {
        limit: `resources.${key}`,
        allowed: max[key],
        asked: merged[key],
      })
    }
  }
  if (merged.cpus < 0.1) throw invalidArgument('resources.cpus', 'at least 0.1')
  if (merged.memoryBytes < LIMITS.minMemoryBytes)
    throw invalidArgument('resources.memoryBytes', `at least ${LIMITS.minMemoryBytes}`)
  if (merged.diskBytes < LIMITS.minDiskBytes)
    throw invalidArgument('resources.diskBytes', `at least ${LIMITS.minDiskBytes}`)
  for (const key of ['memoryBytes', 'diskBytes', 'maxProcesses'] as const) merged[key] = Math.floor(merged[key])
  return merged
}

export function mergeNetwork(base: NetworkPolicy, asked: Partial<NetworkPolicy> | undefined): NetworkPolicy {
  const merged = { ...base, ...defined(asked) }
  for (const key of ['allow', 'deny'] as const) {
    if (merged[key].length > LIMITS.cidrs) throw invalidArgument(`network.${key}`, `at most ${LIMITS.cidrs} CIDRs`)
    merged[key] = merged[key].map((cidr) => checkCidr(`network.${key}`, cidr))
  }
  merged.allowDomains = checkHosts('network.allowDomains', merged.allowDomains)
  if (merged.denyDomains !== undefined) merged.denyDomains = checkHosts('network.denyDomains', merged.denyDomains)
  return merged
}

function checkHosts(path: string, entries: readonly string[]): string[] {
  if (entries.length > LIMITS.domains) throw invalidArgument(path, `at most ${LIMITS.domains} names`)
  if (entries.filter(isExpression).length > MAX_EXPRESSIONS)
    throw invalidArgument(path, `at most ${MAX_EXPRESSIONS} expressions`)
  return entries.map((entry) => {
    if (isExpression(entry)) {
      const fault = expressionFault(entry)
      if (fault !== null) throw invalidArgument(path, `${fault}: ${entry.slice(0, 64)}`)
      return entry
    }
    const [host, port] = splitPort(entry)
    if (port === null) return checkDomain(path, host)
    return `${checkDomain(path, host)}:${checkPort(path, port)}`
  })
}

function checkPort(path: string, port: number): number {
  if (port < 1 || port > 65_535) throw invalidArgument(path, `not a port: ${port}`)
  return port
}

export function mergeTimeout(base: TimeoutPolicy, asked: Partial<TimeoutPolicy> | undefined): TimeoutPolicy {
  const merged = { ...base, ...defined(asked) }
  for (const key of ['timeoutMs', 'idleTimeoutMs', 'deleteAfterMs'] as const) {
    const value = merged[key]
    if (value === null) continue
    if (!Number.isFinite(value) || value < 1 || value > LIMITS.maxTimeoutMs) {
      throw invalidArgument(`timeout.${key}`, `1 to ${LIMITS.maxTimeoutMs} milliseconds, or null for never`)
    }
  }
  return merged
}

export function mergeIngress(base: IngressPolicy, asked: Partial<IngressPolicy> | undefined): IngressPolicy {
  const merged = { ...base, ...defined(asked) }
  const { ports, hostHeader } = merged
  const numbers = Object.keys(ports)
  if (numbers.length > LIMITS.ingressPorts) throw invalidArgument('ingress.ports', `at most ${LIMITS.ingressPorts}`)
  for (const text of numbers) {
    if (!/^[1-9]\d{0,4}$/.test(text) || Number(text) > 65_535)
      throw invalidArgument('ingress.ports', `not a port number: ${text.slice(0, 64)}`)
  }
  for (const access of [merged.default, ...Object.values(ports)]) {
    if (!PORT_ACCESS.includes(access)) throw invalidArgument('ingress', `one of ${PORT_ACCESS.join(', ')}`)
  }
  if (hostHeader !== null && !/^[\x21-\x7e]{1,255}$/.test(hostHeader))
    throw invalidArgument('ingress.hostHeader', '1 to 255 visible ASCII characters, or null')
  const { tlsPorts = [] } = merged
  if (
    tlsPorts.length > LIMITS.ingressPorts ||
    !tlsPorts.every((port) => Number.isInteger(port) && port >= 1 && port <= 65_535)
  )
    throw invalidArgument('ingress.tlsPorts', `at most ${LIMITS.ingressPorts} port numbers`)
  return merged
}

/** IPv4 CIDR or address, with or without a port; sandboxes have no IPv6. Returned with its prefix length and host bits cleared. */
function checkCidr(path: string, text: string): string {
  const [cidr, port] = splitPort(text)
  if (port !== null) return `${checkCidr(path, cidr)}:${checkPort(path, port)}`
  const [address = '', length = '32', ...rest] = text.split('/')
  const prefix = Number(length)
  if (rest.length > 0 || isIP(address) !== 4 || !/^\d{1,2}$/.test(length) || prefix > 32) {
    throw invalidArgument(path, `not an IPv4 address or CIDR: ${text.slice(0, 64)}`)
  }
  const bits = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
  const kept = prefix === 0 ? 0 : bits - (bits % 2 ** (32 - prefix))
  const network = [24, 16, 8, 0].map((shift) => Math.floor(kept / 2 ** shift) % 256).join('.')
  new BlockList().addSubnet(network, prefix, 'ipv4') // throws on what slipped through
  return `${network}/${prefix}`
}

const LABEL = '[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?'
const DOMAIN = new RegExp(`^(\\*\\.)?${LABEL}(\\.${LABEL})*$`)

/** A host name, or `*.` before one; returned in lower case, internationalised names as they are asked for. */
export function checkDomain(path: string, text: string): string {
  const name = text.toLowerCase().replace(/\.$/, '')
  if (name.length > 253 || !DOMAIN.test(name) || isIP(name) !== 0)
    throw invalidArgument(path, `not a host name, nor one after '*.': ${text.slice(0, 64)}`)
  return name
}

function clean(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  return !/[\u0000-\u001f\u007f]/.test(text) && text.isWellFormed()
}

/** Without fields that are there but undefined. */
export function defined<T extends object>(partial: T | undefined): Partial<T> {
  return Object.fromEntries(Object.entries(partial ?? {}).filter(([, value]) => value !== undefined)) as Partial<T>
}
