/**
 * Whether a path matches a pattern: `*` and `?` within a name, `[...]` for one character, `**` for any number of names.
 * Takes no longer than the product of both lengths, whatever they are.
 */
export function globMatcher(pattern: string): (path: string) => boolean {
  const wanted = pattern.split('/').filter((name) => name !== '' && name !== '.')
  const names = wanted.map(nameMatcher)
  return (path) => {
    const given = path.split('/')
    // Which beginnings of `given` the pattern matches as far as it was read.
    let reached: boolean[] = [true, ...given.map(() => false)]
    wanted.forEach((name, at) => {
      let before = false
      reached = reached.map((hit, length) => {
        if (name === '**') before ||= hit
        else before = length > 0 && reached[length - 1] === true && names[at]?.(given[length - 1] ?? '') === true
        return before
      })
    })
    return reached.at(-1) === true
  }
}

/** Names that a pattern asks for before the first wildcard, and how many levels it looks at below these. */
export function reachOf(pattern: string): { base: string; depth: number | null } {
  const names = pattern.split('/').filter((name) => name !== '' && name !== '.')
  const first = names.findIndex((name) => /[*?[]/.test(name))
  const base = names.slice(0, first === -1 ? Math.max(0, names.length - 1) : first)
  return { base: base.join('/'), depth: names.includes('**') ? null : Math.max(1, names.length - base.length) }
}

type Token = '*' | '?' | { not: boolean; ranges: [string, string][] } | { char: string }

function nameMatcher(pattern: string): (name: string) => boolean {
  const tokens = tokensOf(pattern)
  return (name) => {
    const chars = [...name]
    let [at, token, star, retry] = [0, 0, -1, 0]
    while (at < chars.length) {
      const wanted = tokens[token]
      if (wanted === '*') {
        star = token
        token += 1
        retry = at
      } else if (wanted !== undefined && fits(wanted, chars[at] ?? '')) {
        at += 1
        token += 1
      } else if (star !== -1) {
        // The last star takes one character more; no earlier one ever needs to.
        retry += 1
        at = retry
        token = star + 1
      } else return false
    }
    while (tokens[token] === '*') token += 1
    return token === tokens.length
  }
}

function fits(token: Token, char: string): boolean {
  if (token === '?') return true
  if (token === '*') return false
  if ('char' in token) return token.char === char
  return token.ranges.some(([low, high]) => low <= char && char <= high) !== token.not
}

function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = []
  for (let rest = pattern; rest !== ''; ) {
    const [all, not, inside] = /^\[([!^]?)(\]?[^\]]*)\]/su.exec(rest) ?? []
    if (all !== undefined && inside !== undefined && inside !== '') {
      tokens.push({ not: not !== '', ranges: rangesOf([...inside]) })
      rest = rest.slice(all.length)
      continue
    }
    const [char = ''] = rest
    tokens.push(char === '*' || char === '?' ? char : { char })
    rest = rest.slice(char.length)
  }
  return tokens
}

function rangesOf(chars: string[]): [string, string][] {
  const ranges: [string, string][] = []
  for (let at = 0; at < chars.length; at += 1) {
    const [low = '', dash, high] = chars.slice(at, at + 3)
    if (dash === '-' && high !== undefined) {
      ranges.push([low, high])
      at += 2
    } else ranges.push([low, low])
  }
  return ranges
}
