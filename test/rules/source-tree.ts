import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const NOT_OURS = new Set(['node_modules', 'dist', 'gen'])
/** Files and folders that only tests and builds use */
const FOR_TESTS = /\.test\.tsx?$|\/(test|testing|build)\/|\/test-world\.ts$|\/vite\.config\.ts$/
const SPECIFIER =
  /(?:^|\n)\s*(?:import|export)\b(?:[^'";]*?\bfrom)?\s*['"]([^'"\n]+)['"]|\bimport\(\s*['"]([^'"\n]+)['"]\s*\)/g

export interface SourceFile {
  /** From the root of the repository, with slashes */
  path: string
  /** Folder of the package that it belongs to, from the root: `packages/core` */
  home: string
  /** Or for builds: no part of what is shipped */
  forTests: boolean
  text: string
  /** What it imports, as written */
  imports: string[]
}

export interface Manifest {
  name: string
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
}

/** Folders of all packages and apps, from the root. */
export const HOMES: readonly string[] = ['packages', 'apps'].flatMap((parent) =>
  readdirSync(join(ROOT, parent)).map((name) => `${parent}/${name}`),
)

export function manifestOf(home: string): Manifest {
  return JSON.parse(textOf(`${home}/package.json`))
}

/** A file by its path from the root. */
export function textOf(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

/** TypeScript that people wrote, of one package. */
export function filesOf(home: string): SourceFile[] {
  return [...below(join(ROOT, home))].map((full) => {
    const path = relative(ROOT, full).split(sep).join('/')
    const text = readFileSync(full, 'utf8')
    const imports = [...text.matchAll(SPECIFIER)].map(([, from, dynamic]) => from ?? dynamic ?? '')
    return { path, home, forTests: FOR_TESTS.test(path), text, imports }
  })
}

function* below(dir: string): Generator<string> {
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    if (entry.isDirectory() && !NOT_OURS.has(entry.name)) yield* below(join(dir, entry.name))
    else if (/\.tsx?$/.test(entry.name)) yield join(dir, entry.name)
  }
}

/** `@spawnpoint/core` of `@spawnpoint/core/ports`; `null` for files and for what Node brings. */
export function packageOf(specifier: string): string | null {
  if (specifier.startsWith('.') || specifier.startsWith('node:')) return null
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}
