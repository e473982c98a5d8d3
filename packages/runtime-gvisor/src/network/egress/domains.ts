/** Whether a policy's list of names (`name` or `*.name`, lower case) has this host. A wildcard leaves out the name itself. */
export function namesInclude(patterns: readonly string[], host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '')
  return patterns.some((pattern) => (pattern.startsWith('*.') ? name.endsWith(pattern.slice(1)) : name === pattern))
}
