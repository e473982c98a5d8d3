/** As the API has it; checked here to tell while it is typed. */
const SNAPSHOT = /^[a-z0-9][a-z0-9._-]{0,127}$/
const SANDBOX = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/
const SECRET = /^[A-Za-z_][A-Za-z0-9_.-]{0,127}$/
const TEAM = /^[a-z0-9][a-z0-9-]{0,62}$/

/** What is wrong with it; `null` if nothing is. An empty one is none, which is allowed. */
export function snapshotNameError(name: string): string | null {
  if (name === '' || SNAPSHOT.test(name)) return null
  return 'Use lowercase letters, digits, ".", "_" and "-", beginning with a letter or digit; at most 128'
}

export function sandboxNameError(name: string): string | null {
  if (name === '' || SANDBOX.test(name)) return null
  return 'Use letters, digits, ".", "_" and "-", beginning with a letter or digit; at most 128'
}

export function teamNameError(name: string): string | null {
  if (name === '' || TEAM.test(name)) return null
  return 'Use lowercase letters, digits and "-", beginning with a letter or digit; at most 63'
}

export function secretNameError(name: string): string | null {
  if (name === '' || SECRET.test(name)) return null
  return 'Use letters, digits, "_", "." and "-", beginning with a letter or "_"; at most 128'
}

/** Lines of `KEY=value`; a line without `=` is an error. */
export function parsePairs(text: string): { pairs: Record<string, string> } | { error: string } {
  const pairs: Record<string, string> = {}
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue
    const equals = line.indexOf('=')
    if (equals < 1) return { error: `'${line.trim()}' is not KEY=value` }
    pairs[line.slice(0, equals).trim()] = line.slice(equals + 1)
  }
  return { pairs }
}

/** As `parsePairs` reads it. */
export function pairsText(pairs: Readonly<Record<string, string>>): string {
  return Object.entries(pairs)
    .map(([key, value]) => `${key}=${value}`)
    .join('\n')
}
