import type { OutgoingRule } from './ports/index.ts'

/**
 * Whether a list of hosts (`name`, `*.name`, or `!*.name` for what such wildcards leave out; lower case) has this one. A wildcard
 * leaves out the name itself.
 */
export function namesInclude(patterns: readonly string[], host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '')
  const below = (pattern: string) => pattern.startsWith('*.') && name.endsWith(pattern.slice(1))
  if (patterns.includes(name)) return true
  if (patterns.some((pattern) => pattern.startsWith('!') && below(pattern.slice(1)))) return false
  return patterns.some(below)
}

/**
 * The rule that counts for a request: the first that fits. `target` is as the request line has it, `headers` name by value; without
 * `port` none that is for one port alone.
 */
export function matchingRule(
  rules: readonly OutgoingRule[],
  host: string,
  target: string,
  headers: readonly (readonly [name: string, value: string])[],
  port?: number,
): OutgoingRule | null {
  const path = target.replace(/[?#].*$/s, '')
  const isOfPort = (rule: OutgoingRule) => rule.port === undefined || rule.port === port
  const ofHost = rules.filter((rule) => isOfPort(rule) && namesInclude(rule.hosts, host))
  const isAsked = ({ auth }: OutgoingRule) => auth?.type === 'callback'
  // Nobody is asked about hosts that another rule names, whether or not it fits.
  const candidates = ofHost.every(isAsked) ? ofHost : ofHost.filter((rule) => !isAsked(rule))
  return (
    candidates.find(
      (rule) =>
        (rule.paths.length === 0 || (isPlain(path) && rule.paths.some((pattern) => pathFits(pattern, path)))) &&
        rule.matchHeaders.every(({ name, value }) =>
          headers.some(([given, text]) => given.toLowerCase() === name.toLowerCase() && text === value),
        ),
    ) ?? null
  )
}

/** What may stand for another path at the other end is covered by none that a rule names. */
function isPlain(path: string): boolean {
  return !/(^|\/)\.{1,2}(\/|$)|\/\/|\\|%2e|%2f|%5c|;/i.test(path)
}

function pathFits(pattern: string, path: string): boolean {
  if (pattern === '*') return true
  const prefix = /^(.*)\/\*{1,2}$/s.exec(pattern)?.[1]
  if (prefix !== undefined && !pattern.startsWith('*')) return path.startsWith(prefix)
  return pattern.startsWith('*/') ? path.endsWith(pattern.slice(2)) : path === pattern
}
