import { RE2JS, RE2JSSyntaxException } from 're2js'

/** Instructions of one expression, and expressions of one list: what a name costs at most is bounded by both */
const MAX_PROGRAM = 256
export const MAX_EXPRESSIONS = 16
const WEB_PORTS = [80, 443]

interface HostPattern {
  has(host: string): boolean
  /** `null` for those of HTTP and TLS */
  port: number | null
}

/**
 * Hosts by name: `name`, `*.name` for all below it, `~` and an RE2 expression that is looked for in the name. With `:PORT` behind
 * the first two on that TCP port alone, else on ports 80 and 443.
 */
export class HostList {
  readonly #patterns: HostPattern[]

  /** Preconditions: `checkHosts` has found nothing wrong with them. */
  constructor(entries: readonly string[]) {
    this.#patterns = entries.map(patternOf)
  }

  has(host: string, port: number): boolean {
    return this.#of(host).some((one) => (one.port === null ? WEB_PORTS.includes(port) : one.port === port))
  }

  /** On whatever port. */
  hasSomewhere(host: string): boolean {
    return this.#of(host).length > 0
  }

  /** Both for HTTP and TLS, without a port of its own. */
  hasWhole(host: string): boolean {
    return this.#of(host).some(({ port }) => port === null)
  }

  /** Ports of this host that are not those of HTTP and TLS. */
  otherPorts(host: string): number[] {
    const ports = this.#of(host).flatMap(({ port }) => (port === null || WEB_PORTS.includes(port) ? [] : [port]))
    return [...new Set(ports)]
  }

  /** Whether there is any host with such a port. */
  get hasOtherPorts(): boolean {
    return this.allOtherPorts.length > 0
  }

  /** Such ports of all hosts. */
  get allOtherPorts(): number[] {
    const ports = this.#patterns.flatMap(({ port }) => (port === null || WEB_PORTS.includes(port) ? [] : [port]))
    return [...new Set(ports)]
  }

  /** Whether there is any host for HTTP or TLS. */
  get hasWebPorts(): boolean {
    return this.#patterns.some(({ port }) => port === null || WEB_PORTS.includes(port))
  }

  #of(host: string): HostPattern[] {
    const name = host.toLowerCase().replace(/\.$/, '')
    return this.#patterns.filter((one) => one.has(name))
  }
}

export function isExpression(entry: string): boolean {
  return entry.startsWith('~')
}

/** `a.test:22` as `['a.test', 22]`; `null` where there is no port. */
export function splitPort(entry: string): readonly [host: string, port: number | null] {
  const [, host, port] = /^([^:]*):(\d{1,5})$/.exec(entry) ?? []
  return host === undefined || port === undefined ? [entry, null] : [host, Number(port)]
}

/** What is wrong with an expression after its `~`; `null` if nothing is. */
export function expressionFault(entry: string): string | null {
  try {
    const size = compiled(entry).programSize()
    return size <= MAX_PROGRAM ? null : 'the expression is too large'
  } catch (error) {
    if (!(error instanceof RE2JSSyntaxException)) throw error
    return `not an RE2 expression: ${error.message.slice(0, 200)}`
  }
}

function compiled(entry: string): RE2JS {
  return RE2JS.compile(entry.slice(1), RE2JS.CASE_INSENSITIVE)
}

function patternOf(entry: string): HostPattern {
  if (isExpression(entry)) {
    const expression = compiled(entry)
    return { has: (name) => expression.matcher(name).find(), port: null }
  }
  const [host, port] = splitPort(entry)
  return { has: (name) => (host.startsWith('*.') ? name.endsWith(host.slice(1)) : name === host), port }
}
