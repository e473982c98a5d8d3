import type { Escape } from './instructions.ts'
import { type PatternPart, replaced, without } from './shell-pattern.ts'

export type Variables = (name: string) => string | undefined

/** Words with their quotes and escapes, as they stand. */
export function rawWords(text: string, escapeChar: Escape): string[] {
  const words: string[] = []
  let word: string | null = null
  let quote = ''
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at] ?? ''
    if (quote === '' && /\s/.test(char)) {
      if (word !== null) words.push(word)
      word = null
      continue
    }
    word = (word ?? '') + char
    if (char === escapeChar && quote !== "'" && at + 1 < text.length) {
      at += 1
      word += text[at]
    } else if (quote === '' && (char === '"' || char === "'")) quote = char
    else if (char === quote) quote = ''
  }
  if (word !== null) words.push(word)
  return words
}

/**
 * One word with its variables replaced, and without its quotes and escapes: `$X`, `${X}`, `${X:-else}`, `${X:+then}`,
 * `${X:?message}`, and the same without the colon; `${X#pattern}`, `##`, `%`, `%%`, `${X/pattern/other}`, `${X//pattern/other}`.
 * Throws an `Error` that says what is wrong.
 */
export function expand(text: string, variables: Variables, escapeChar: Escape): string {
  return new Expansion(text, variables, escapeChar).upTo('')
}

/** The content of a heredoc: quotes are ordinary there, and an escape means something before `$` and itself alone. */
export function expandContent(text: string, variables: Variables, escapeChar: Escape): string {
  return new Expansion(text, variables, escapeChar, true).upTo('')
}

/** Characters that a text may come to, and how deep braces may be in braces: variables of variables would grow without end. */
const MAX_CHARS = 64 * 1024
const MAX_DEPTH = 32
const MAX_PATTERN = 1_024

class Expansion {
  readonly #text: string
  readonly #variables: Variables
  readonly #escapeChar: Escape
  readonly #quotesPlain: boolean
  #at = 0
  #depth = 0
  readonly #maxChars: number

  constructor(text: string, variables: Variables, escapeChar: Escape, quotesPlain = false) {
    this.#text = text
    this.#variables = variables
    this.#escapeChar = escapeChar
    this.#quotesPlain = quotesPlain
    this.#maxChars = Math.max(MAX_CHARS, 2 * text.length)
  }

  /** Reads on to the character `end`, which is taken too, or to the end of the text. */
  upTo(end: string): string {
    let result = ''
    while (this.#at < this.#text.length) {
      if (result.length > this.#maxChars) throw new Error(`more than ${this.#maxChars} characters`)
      const char = this.#next()
      if (char === end) return result
      if (char === "'" && !this.#quotesPlain) result += this.#single()
      else if (char === '"' && !this.#quotesPlain) result += this.#double()
      else if (char === '$') result += this.#variable()
      else if (char === this.#escapeChar) result += this.#escaped()
      else result += char
    }
    if (end !== '') throw new Error(`'${end}' is missing in ${shown(this.#text)}`)
    return result
  }

  #next(): string {
    const char = this.#text[this.#at] ?? ''
    this.#at += 1
    return char
  }

  #peek(): string {
    return this.#text[this.#at] ?? ''
  }

  #escaped(): string {
    if (!this.#quotesPlain) return this.#next()
    const next = this.#peek()
    return next === '$' || next === this.#escapeChar ? this.#next() : this.#escapeChar
  }

  #single(): string {
    const end = this.#text.indexOf("'", this.#at)
    if (end < 0) throw new Error(`a quote does not end in ${shown(this.#text)}`)
    const inside = this.#text.slice(this.#at, end)
    this.#at = end + 1
    return inside
  }

  #double(): string {
    let result = ''
    while (this.#at < this.#text.length) {
      if (result.length > this.#maxChars) throw new Error(`more than ${this.#maxChars} characters`)
      const char = this.#next()
      if (char === '"') return result
      if (char === '$') result += this.#variable()
      else if (char === this.#escapeChar) {
        const next = this.#peek()
        result += next === '"' || next === '$' || next === this.#escapeChar ? this.#next() : char
      } else result += char
    }
    throw new Error(`a quote does not end in ${shown(this.#text)}`)
  }

  /** After the dollar. */
  #variable(): string {
    if (this.#peek() !== '{') {
      const name = this.#name()
      return name === '' ? '$' : (this.#variables(name) ?? '')
    }
    this.#at += 1
    const name = this.#name()
    if (name === '') throw new Error(`not a variable in ${shown(this.#text)}`)
    const value = this.#variables(name)
    const operator = this.#next()
    if (operator === '}') return value ?? ''
    if (operator === ':') return this.#conditional(name, this.#next(), value === '' ? undefined : value, value)
    if (operator === '-' || operator === '+' || operator === '?') return this.#conditional(name, operator, value, value)
    if (operator === '#' || operator === '%') return this.#trimmed(value ?? '', operator)
    if (operator === '/') return this.#replaced(value ?? '')
    throw new Error(`\${${name}${operator}…} is not understood`)
  }

  #trimmed(value: string, operator: '#' | '%'): string {
    const longest = this.#peek() === operator
    if (longest) this.#at += 1
    const [pattern] = this.#pattern('}')
    return without(value, pattern, { fromEnd: operator === '%', longest })
  }

  #replaced(value: string): string {
    const every = this.#peek() === '/'
    if (every) this.#at += 1
    const [pattern, end] = this.#pattern('/}')
    const by = end === '/' ? this.#deeper(() => this.upTo('}')) : ''
    return replaced(value, pattern, { by, every, maxChars: this.#maxChars })
  }

  /** Reads on to one of the characters `ends`, and says which. */
  #pattern(ends: string): [PatternPart[], string] {
    const parts: PatternPart[] = []
    const literally = (text: string) => parts.push(...[...text].map((literal) => ({ literal })))
    while (this.#at < this.#text.length) {
      const char = this.#next()
      if (ends.includes(char)) return [parts, char]
      if (char === this.#escapeChar) literally(this.#next())
      else if (char === "'" && !this.#quotesPlain) literally(this.#single())
      else if (char === '"' && !this.#quotesPlain) literally(this.#double())
      else for (const each of char === '$' ? this.#deeper(() => this.#variable()) : char) parts.push(partOf(each))
      if (parts.length > MAX_PATTERN) throw new Error(`a pattern of more than ${MAX_PATTERN} characters`)
    }
    throw new Error(`'}' is missing in ${shown(this.#text)}`)
  }

  #deeper(read: () => string): string {
    this.#depth += 1
    if (this.#depth > MAX_DEPTH) throw new Error(`variables within variables, ${MAX_DEPTH} deep`)
    const text = read()
    this.#depth -= 1
    return text
  }

  #conditional(name: string, operator: string, value: string | undefined, plain: string | undefined): string {
    const word = this.#deeper(() => this.upTo('}'))
    if (operator === '-') return value ?? word
    if (operator === '+') return value === undefined ? '' : word
    if (operator !== '?') throw new Error(`\${${name}:${operator}…} is not understood`)
    if (value === undefined) throw new Error(`${name}: ${word === '' ? 'is not set' : word}`)
    return plain ?? ''
  }

  #name(): string {
    const [name = ''] = /^(?:[A-Za-z_][A-Za-z0-9_]*|\d)/.exec(this.#text.slice(this.#at, this.#at + 256)) ?? []
    this.#at += name.length
    return name
  }
}

function partOf(char: string): PatternPart {
  if (char === '*') return 'many'
  return char === '?' ? 'any' : { literal: char }
}

function shown(text: string): string {
  return text.length > 80 ? `${text.slice(0, 79)}…` : text
}
