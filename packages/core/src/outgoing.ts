import type { OutgoingRule } from './ports/index.ts'

/** Whether a policy's list of names (`name` or `*.name`, lower case) has this host. A wildcard leaves out the name itself. */
export function namesInclude(patterns: readonly string[], host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '')
  return patterns.some((pattern) => (pattern.startsWith('*.') ? name.endsWith(pattern.slice(1)) : name === pattern))
}

/** The rule that counts for a request: the first that fits. `target` is as the request line has it, `headers` name by value. */
export function matchingRule(
  rules: readonly OutgoingRule[],
  host: string,
  target: string,
  headers: readonly (readonly [name: string, value: string])[],
): OutgoingRule | null {
  const path = target.replace(/[?#].*$/s, '')
  return (
    rules.find(
      (rule) =>
        namesInclude(rule.hosts, host) &&
        (rule.paths.length === 0 || (isPlain(path) && rule.paths.some((pattern) => pathFits(pattern, path)))) &&
        rule.matchHeaders.every(({ name, value }) =>
          headers.some(([given, text]) => given.toLowerCase() === name.toLowerCase() && text === value),
        ),
    ) ?? null
  )
}

/** What may stand for another path at the other end is covered by none that a rule names. */
function isPlain(path: string): boolean {
  return !/(^|\/)(\.|%2e){1,2}(\/|$)|\/\/|\\|%2f|%5c|;/i.test(path)
}

function pathFits(pattern: string, path: string): boolean {
  if (pattern === '*') return true
  const prefix = /^(.*)\/\*{1,2}$/s.exec(pattern)?.[1]
  if (prefix !== undefined && !pattern.startsWith('*')) return path.startsWith(prefix)
  return pattern.startsWith('*/') ? path.endsWith(pattern.slice(2)) : path === pattern
}
