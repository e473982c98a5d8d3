/** One way in that a registry offers in `WWW-Authenticate`. */
export interface Challenge {
  /** In lower case */
  scheme: string
  parameters: Record<string, string>
}

const PIECE =
  /\s*(?:([A-Za-z][A-Za-z0-9!#$&^_.+-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))|([A-Za-z][A-Za-z0-9-]*))\s*,?/y

/** Parses what RFC 9110 calls a list of challenges; what cannot be understood ends the list. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = []
  const pieces = new RegExp(PIECE)
  const text = header.slice(0, 8_192)
  while (pieces.lastIndex < text.length) {
    const match = pieces.exec(text)
    if (match === null) break
    const [, name, quoted, plain, scheme] = match
    if (scheme !== undefined) challenges.push({ scheme: scheme.toLowerCase(), parameters: {} })
    else if (name !== undefined) {
      const value = quoted?.replace(/\\(.)/g, '$1') ?? plain ?? ''
      const current = challenges.at(-1)
      if (current !== undefined) current.parameters[name.toLowerCase()] = value
    }
  }
  return challenges
}
