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
