/** One step of a pattern as shells have them for variables: a character, `?` for any, `*` for any number of any. */
export type PatternPart = { literal: string } | 'any' | 'many'

/** Steps that one replacement may take: patterns with many stars would go on for ever. */
const MAX_STEPS = 5_000_000

/** `${X#p}`, `##`, `%`, `%%`: the value without the shortest or longest beginning or end that the pattern matches. */
export function without(
  value: string,
  pattern: readonly PatternPart[],
  { fromEnd, longest }: { fromEnd: boolean; longest: boolean },
): string {
  const chars = [...value]
  const steps = new Steps()
  const ends = matchedLengths(fromEnd ? chars.toReversed() : chars, 0, fromEnd ? pattern.toReversed() : pattern, steps)
  const length = longest ? ends.at(-1) : ends[0]
  if (length === undefined) return value
  return (fromEnd ? chars.slice(0, chars.length - length) : chars.slice(length)).join('')
}

/** `${X/p/r}`: the first match, or each, replaced by something else; the longest where several begin at one place. */
export function replaced(
  value: string,
  pattern: readonly PatternPart[],
  { by, every, maxChars }: { by: string; every: boolean; maxChars: number },
): string {
  const chars = [...value]
  const steps = new Steps()
  let result = ''
  for (let at = 0; at < chars.length; ) {
    const length = matchedLengths(chars, at, pattern, steps).at(-1) ?? 0
    if (length === 0) {
      result += chars[at]
      at += 1
      continue
    }
    result += by
    if (result.length > maxChars) throw new Error(`more than ${maxChars} characters`)
    at += length
    if (!every) return result + chars.slice(at).join('')
  }
  return result
}

/** How long what begins here and matches may be, in order. */
function matchedLengths(
  chars: readonly string[],
  from: number,
  pattern: readonly PatternPart[],
  steps: Steps,
): number[] {
  let lengths = new Set([0])
  for (const part of pattern) {
    if (lengths.size === 0) break
    steps.take(part === 'many' ? chars.length - from : lengths.size)
    if (part === 'many') {
      const first = Math.min(...lengths)
      lengths = new Set(Array.from({ length: chars.length - from - first + 1 }, (_, more) => first + more))
    } else {
      const fits = (char: string | undefined) => char !== undefined && (part === 'any' || char === part.literal)
      lengths = new Set([...lengths].filter((length) => fits(chars[from + length])).map((length) => length + 1))
    }
  }
  return [...lengths].sort((one, other) => one - other)
}

class Steps {
  #left = MAX_STEPS

  take(steps: number): void {
    this.#left -= steps + 1
    if (this.#left < 0) throw new Error('a pattern that takes too long')
  }
}
