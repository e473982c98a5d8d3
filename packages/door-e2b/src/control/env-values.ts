import type { Env } from '@spawnpoint/core'

/** What `$PATH` and `$HOME` are to a template that said nothing of them: root's, as with the vendor. */
const OF_ROOT: Env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root' }

const REFERENCE = /\$(?:\{(?<braced>[A-Za-z_][A-Za-z0-9_]*)\}|(?<bare>[A-Za-z_][A-Za-z0-9_]*))/g

/** The value of a variable, `$NAME` and `${NAME}` in it replaced by what was said before; by nothing, where nothing was. */
export function expanded(value: string, before: Env): string {
  return value.replace(REFERENCE, (_, braced: string | undefined, bare: string | undefined) => {
    const name = braced ?? bare ?? ''
    return before[name] ?? OF_ROOT[name] ?? ''
  })
}
