/**
 * Patterns for paths as Docker has them: `*`, `?`, `[a-z]`, `[^a]` and `\x` inside one part of a path, and `**` as a whole
 * part for any number of parts. The time they take is bounded by the product of the lengths, whatever they say.
 */
export function hasWildcard(pattern: string): boolean {
  return /[*?[]/.test(pattern.replace(/\\./gs, ''))
}

/** Tells whether a path, without `/` at either end, is what the pattern says. Throws an `Error` for one that is none. */
export function pathMatcher(pattern: string): (path: string) => boolean {
  const wanted = pattern.split('/').map(parsePart)
  return (path) => matchesAll(wanted, path.split('/'))
}

function matchesAll(wanted: readonly (Token[] | null)[], parts: string[]): boolean {
  // reached[n]: the pattern so far takes the first n parts
  let reached = [true, ...parts.map(() => false)]
  for (const [place, want] of wanted.entries()) {
    const next = Array.from({ length: parts.length + 1 }, () => false)
    if (want === null) {
      const first = reached.indexOf(true)
      // At the end it stands for something, in between for nothing too.
      if (first >= 0) next.fill(true, place === wanted.length - 1 ? first + 1 : first)
    } else {
      for (const [index, part] of parts.entries()) if (reached[index] && matchesPart(want, part)) next[index + 1] = true
    }
    reached = next
  }
  return reached[parts.length] ?? false
}

type Token = { star: true } | { star: false; takes(char: string): boolean }

/** `null` for `**`. */
function parsePart(part: string): Token[] | null {
  if (part === '**') return null
  const tokens: Token[] = []
  const chars = [...part]
  for (let at = 0; at < chars.length; at += 1) {
    const char = chars[at] ?? ''
    if (char === '*') {
      if (!tokens.at(-1)?.star) tokens.push({ star: true })
    } else if (char === '?') tokens.push({ star: false, takes: () => true })
    else if (char === '[') {
      const end = chars.indexOf(']', chars[at + 1] === '^' || chars[at + 1] === '!' ? at + 3 : at + 2)
      if (end < 0) throw new Error(`a '[' is not closed in ${part.slice(0, 80)}`)
      tokens.push({ star: false, takes: oneOf(chars.slice(at + 1, end)) })
      at = end
    } else {
      const literal = char === '\\' ? (chars[++at] ?? '\\') : char
      tokens.push({ star: false, takes: (given) => given === literal })
    }
  }
  return tokens
}

function oneOf(inside: string[]): (char: string) => boolean {
  const negated = inside[0] === '^' || inside[0] === '!'
  const chars = negated ? inside.slice(1) : inside
  const ranges: [string, string][] = []
  for (let at = 0; at < chars.length; at += 1) {
    const from = (chars[at] === '\\' ? chars[++at] : chars[at]) ?? '\\'
    const to = chars[at + 1] === '-' ? chars[at + 2] : undefined
    ranges.push([from, to ?? from])
    if (to !== undefined) at += 2
  }
  return (char) => ranges.some(([from, to]) => from <= char && char <= to) !== negated
}

/** Goes back to the last star alone, which is enough. */
function matchesPart(tokens: readonly Token[], part: string): boolean {
  const chars = [...part]
  let token = 0
  let at = 0
  let star = -1
  let starAt = 0
  while (at < chars.length) {
    const now = tokens[token]
    if (now?.star) {
      star = token
      starAt = at
      token += 1
    } else if (now?.takes(chars[at] ?? '')) {
      token += 1
      at += 1
    } else if (star >= 0) {
      starAt += 1
      at = starAt
      token = star + 1
    } else return false
  }
  return tokens.slice(token).every((rest) => rest.star)
}
