import type { Env } from '@spawnpoint/core'

/** What `$PATH` and `$HOME` are to a template that said nothing of them: root's, as with the vendor. */
const OF_ROOT: Env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root' }

/**
 * `$NAME`, `${NAME}`, and `${NAME:-else}` and its like, in which `else` may have references, which have none themselves; or
 * a `$` that a backslash makes nothing but that
 */
const REFERENCE =
  /(?<escaped>\\\$)|\$(?:\{(?<braced>[A-Za-z_][A-Za-z0-9_]*)(?:(?<how>:?[-+])(?<word>(?:[^{}]|\$\{[^{}]*\})*))?\}|(?<bare>[A-Za-z_][A-Za-z0-9_]*))/g

/** The value of a variable, references in it replaced by what was said before; by nothing, where nothing was. `\$` is a `$`. */
export function expanded(value: string, before: Env): string {
  return replaced(value, before, () => '')
}

/** A path or an account, references to variables that are known replaced: a file's own name may have a `$` in it. */
export function withKnown(text: string, env: Env): string {
  return replaced(text, env, (reference) => reference)
}

function replaced(value: string, env: Env, unknown: (reference: string) => string): string {
  return value.replace(
    REFERENCE,
    (reference, escaped?: string, braced?: string, how?: string, word = '', bare?: string) => {
      if (escaped !== undefined) return '$'
      const name = braced ?? bare ?? ''
      const found = env[name] ?? OF_ROOT[name]
      const there = how?.startsWith(':') ? Boolean(found) : found !== undefined
      if (how?.endsWith('+')) return there ? replaced(word, env, unknown) : ''
      if (how?.endsWith('-') && !there) return replaced(word, env, unknown)
      return found ?? unknown(reference)
    },
  )
}

/** A variable as a Dockerfile said it: the clients leave its quotes on, and cut a value in two at its only space. */
export function variable(name: string, value: string): { name: string; value: string } {
  const cut = name.indexOf('=')
  if (cut < 0) return { name, value: unquoted(value) }
  return { name: name.slice(0, cut), value: unquoted(`${name.slice(cut + 1)} ${value}`) }
}

/** `text` without the quotes around all of it. In single ones a `$` is nothing but that, as in a Dockerfile. */
export function unquoted(text: string): string {
  const literal = /^'([^']*)'$/.exec(text)?.[1]
  if (literal !== undefined) return literal.replace(/\$/g, () => '\\$')
  const inner = /^"((?:[^"\\]|\\.)*)"$/s.exec(text)?.[1]
  return inner === undefined ? text : inner.replaceAll('\\"', '"')
}

/** What the clients leave of a quoted value with several spaces; the rest is lost on the way. */
export function isTorn(value: string): boolean {
  return /^"[^"]+$/s.test(value)
}
