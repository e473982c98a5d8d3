import type { Env } from '@spawnpoint/core'
import { asciiJson } from './ascii-json.ts'
import { adoptSandbox, resetVariables, setVariables } from './python.ts'
import { describeResults } from './result-formatters.ts'

/** Code for kernels of a language, which shows nothing and leaves no name behind. */
export interface Language {
  /** A kernel lives longer than the sandbox it was started in: clones have it too, with an environment of their own */
  adopt(marker: string, env: Env): string
  set(env: Env): string
  /** Back to what the sandbox says of them, or to nothing */
  reset(names: readonly string[], env: Env): string
}

const PYTHON: Language = {
  adopt: (marker, env) => `${adoptSandbox(marker, env)}\n${describeResults()}`,
  set: setVariables,
  reset: resetVariables,
}

const JAVASCRIPT: Language = {
  adopt: (marker, env) =>
    `;void (process.env[${asciiJson(marker)}] === ${asciiJson(env[marker] ?? '')} || Object.assign(process.env, ${asciiJson(env)}));`,
  set: (env) => `;void Object.assign(process.env, ${asciiJson(env)});`,
  reset: (names, env) =>
    `;for (const name of ${asciiJson(names)}) delete process.env[name]; void Object.assign(process.env, ${asciiJson(known(names, env))});`,
}

const BASH: Language = {
  adopt: (marker, env) => `[ "\${${marker}-}" = ${quoted(env[marker] ?? '')} ] || { ${exported(env)}; }`,
  set: exported,
  reset: (names, env) => `unset ${['--', ...names.filter(isName)].join(' ')}; ${exported(known(names, env))}`,
}

/** For kernels of other languages nothing is known to do. */
export const LANGUAGES: ReadonlyMap<string, Language> = new Map([
  ['python', PYTHON],
  ['javascript', JAVASCRIPT],
  ['typescript', JAVASCRIPT],
  ['bash', BASH],
])

function known(names: readonly string[], env: Env): Env {
  return Object.fromEntries(names.flatMap((name) => (Object.hasOwn(env, name) ? [[name, env[name] ?? '']] : [])))
}

function exported(env: Env): string {
  // A shell has no other names; those that are none are there for its programs as they were.
  const pairs = Object.entries(env).filter(([name]) => isName(name))
  return ['export', ...pairs.map(([name, value]) => `${name}=${quoted(value)}`)].join(' ').replace(/^export$/, ':')
}

function isName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name)
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
