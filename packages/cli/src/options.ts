import type { Command } from 'commander'
import type { MountVolume, PortAccess, SandboxOverrides } from 'spawnpoint'
import { collect } from './collect.ts'
import { credentialsFrom, declareCredentials } from './credentials.ts'
import { UsageError } from './exit.ts'
import { parseDurationOrNever, parseSize } from './output/units.ts'
import type { Options } from './verb.ts'

export { collect }

/** `key=value` pairs to a record. Throws `UsageError`. */
export function pairs(given: string[] | undefined, what: string): Record<string, string> | undefined {
  if (given === undefined) return undefined
  return Object.fromEntries(
    given.map((text) => {
      const at = text.indexOf('=')
      if (at <= 0) throw new UsageError(`${what} '${text}' must have the form key=value`)
      return [text.slice(0, at), text.slice(at + 1)]
    }),
  )
}

/** As `pairs`, but a name alone takes its value from here, as with other tools. */
export function envPairs(given: string[] | undefined): Record<string, string> | undefined {
  return pairs(
    given?.flatMap((text) => {
      if (text.includes('=')) return [text]
      const value = process.env[text]
      return value === undefined ? [] : [`${text}=${value}`]
    }),
    'variable',
  )
}

/** `VOLUME:PATH`, and `:ro` for reading alone. Throws `UsageError`. */
export function mountsFrom(given: string[] | undefined): MountVolume[] | undefined {
  return given?.map((text) => {
    const [, volume, path, ro] = /^([^:]+):(\/[^:]*)(:ro)?$/.exec(text) ?? []
    if (volume === undefined || path === undefined)
      throw new UsageError(`'${text}' must have the form VOLUME:PATH[:ro]`)
    return { volume, path, readOnly: ro !== undefined }
  })
}

export function integer(text: string): number {
  if (!/^\d+$/.test(text)) throw new UsageError(`'${text}' is not a whole number`)
  return Number(text)
}

export function declareLabels(command: Command): Command {
  return command.option('-l, --label <key=value>', 'label; may be given several times', collect)
}

/** Options of everything that makes a sandbox. */
export function declareOverrides(command: Command): Command {
  return declareNetwork(declareCredentials(declarePolicies(declareLabels(command))))
    .option('-n, --name <name>', 'name it bears while it lives')
    .option('-e, --env <name[=value]>', 'variable for its programs; may be given several times', collect)
    .option('--cpus <number>', 'processors, whole or in part')
    .option('--memory <size>', 'memory, such as 512M or 2G')
    .option('--disk <size>', 'root filesystem, such as 10G')
    .option('--max-processes <number>', 'processes and threads')
    .option('--timeout <duration|never>', 'time to live, such as 30m')
}

/** Options of what a sandbox reaches. */
export function declareNetwork(command: Command): Command {
  return command
    .option('--no-internet', 'no outbound connections')
    .option('--allow <cidr>', 'reach only this; may be given several times', collect)
    .option(
      '--allow-domain <name>',
      'reach only this host by TLS and HTTP, or *.name; may be given several times',
      collect,
    )
    .option('--deny <cidr>', 'do not reach this; may be given several times', collect)
    .option('--deny-domain <name>', 'do not reach this host, or *.name; may be given several times', collect)
    .option('--precedence <deny|allow>', 'which wins; with allow, what is in neither list is reached')
}

/** Options of what happens to a sandbox by itself, but for its timeout, and of who reaches it. */
export function declarePolicies(command: Command): Command {
  return command
    .option('--idle-timeout <duration|never>', 'time without a request until its time is over')
    .option('--on-timeout <kill|pause|stop>', 'what to do when its time is over')
    .option('--auto-resume', 'a use of it, paused or stopped, brings it back')
    .option('--no-auto-resume', 'it rests until it is told to go on')
    .option('--delete-after <duration|never>', 'kill it after so long paused or stopped')
    .option('--ingress <open|token|closed>', 'who reaches its ports: anybody, who shows its token, nobody')
    .option('--port-ingress <port=policy>', 'the same for one port; may be given several times', collect)
    .option('--tls-port <port>', 'a port whose program speaks TLS itself; may be given several times', collect)
    .option('--host-header <text|none>', `Host that its programs see, $\{PORT} in it standing for the port`)
}

export function overridesFrom(options: Options): SandboxOverrides {
  const { name, maxProcesses } = options
  return {
    name,
    env: envPairs(options.env),
    labels: pairs(options.label, 'label'),
    resources: present({
      ...resourcesFrom(options),
      maxProcesses: maxProcesses === undefined ? undefined : integer(maxProcesses),
    }),
    network: networkFrom(options),
    credentials: credentialsFrom(options.credential, options.credentials),
    ingress: ingressFrom(options),
    timeout: timeoutFrom(options),
  }
}

export function resourcesFrom({ cpus, memory, disk }: Options) {
  if (cpus !== undefined && !(Number(cpus) > 0)) throw new UsageError(`'${cpus}' is not a number of processors`)
  return present({
    cpus: cpus === undefined ? undefined : Number(cpus),
    memoryBytes: memory === undefined ? undefined : parseSize(memory),
    diskBytes: disk === undefined ? undefined : parseSize(disk),
  })
}

export function networkFrom(options: Options): SandboxOverrides['network'] {
  const { internet, allow, deny, allowDomain, denyDomain, precedence } = options
  if (precedence !== undefined && precedence !== 'deny' && precedence !== 'allow')
    throw new UsageError(`--precedence is deny or allow, not '${precedence}'`)
  // `--no-internet` makes commander set the option to true where it is absent; only what was asked for is sent.
  const rest = { allowDomains: allowDomain, denyDomains: denyDomain, precedence }
  return present({ internet: internet === false ? false : undefined, allow, deny, ...rest })
}

export function ingressFrom({ ingress, portIngress, tlsPort, hostHeader }: Options): SandboxOverrides['ingress'] {
  return present({
    default: ingress === undefined ? undefined : accessOf('--ingress', ingress),
    ports: portIngress === undefined ? undefined : portsOf(portIngress),
    tlsPorts: tlsPort?.map(integer),
    hostHeader: hostHeader === 'none' ? null : hostHeader,
  })
}

function portsOf(given: string[]): Record<string, PortAccess> {
  const ports = Object.entries(pairs(given, 'port') ?? {})
  return Object.fromEntries(ports.map(([port, access]) => [port, accessOf('--port-ingress', access)]))
}

function accessOf(option: string, text: string): PortAccess {
  if (text === 'open' || text === 'token' || text === 'closed') return text
  throw new UsageError(`${option} is open, token or closed, not '${text}'`)
}

export function timeoutFrom(options: Options): SandboxOverrides['timeout'] {
  const { timeout, idleTimeout, onTimeout, autoResume, deleteAfter } = options
  if (onTimeout !== undefined && !['kill', 'pause', 'stop'].includes(onTimeout)) {
    throw new UsageError(`--on-timeout is kill, pause or stop, not '${onTimeout}'`)
  }
  return present({
    timeoutMs: timeout === undefined ? undefined : parseDurationOrNever(timeout),
    idleTimeoutMs: idleTimeout === undefined ? undefined : parseDurationOrNever(idleTimeout),
    onTimeout,
    autoResume,
    deleteAfterMs: deleteAfter === undefined ? undefined : parseDurationOrNever(deleteAfter),
  })
}

/** The fields that were given, `undefined` if none was: absent means "as it is", so nothing else may be sent. */
export function present<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } | undefined {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined)
  return given.length === 0 ? undefined : (Object.fromEntries(given) as { [K in keyof T]?: Exclude<T[K], undefined> })
}
