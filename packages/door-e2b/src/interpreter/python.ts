import type { Env } from '@spawnpoint/core'
import { asciiJson } from './ascii-json.ts'

/** Code for a Python kernel that leaves no name behind. Each is one expression whose value is of no interest. */

/** A kernel lives longer than the sandbox it was started in: clones have it too, with an environment of their own. */
export function adoptSandbox(marker: string, env: Env): string {
  return inEnviron(`e.get(${literal(marker)}) == ${literal(env[marker] ?? '')} or e.update(${json(env)})`)
}

export function setVariables(env: Env): string {
  return inEnviron(`e.update(${json(env)})`)
}

/** Back to what the sandbox says of them, or to nothing. */
export function resetVariables(names: readonly string[], env: Env): string {
  const known = Object.fromEntries(names.filter((name) => Object.hasOwn(env, name)).map((name) => [name, env[name]]))
  return inEnviron(`([e.pop(name, None) for name in ${json(names)}], e.update(${json(known)}))`)
}

function inEnviron(expression: string): string {
  return `(lambda e: ${expression})(__import__('os').environ)`
}

function json(value: unknown): string {
  return `__import__('json').loads(${literal(asciiJson(value))})`
}

/** The escapes of a JSON string in ASCII mean the same in Python. */
function literal(text: string): string {
  return asciiJson(text)
}
