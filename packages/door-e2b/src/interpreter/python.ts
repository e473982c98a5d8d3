import type { Env } from '@spawnpoint/core'
import { asciiJson } from './ascii-json.ts'

/** Code for a Python kernel that leaves no name behind. Each is one expression whose value is of no interest. */

/**
 * A kernel lives longer than the sandbox it was started in: clones have it too, with an environment of their own. One that
 * has run nothing yet is of an image, and random numbers of its sandboxes would all be the same.
 */
export function adoptSandbox(marker: string, env: Env): string {
  const isNew = `(lambda i: i is not None and i.get_ipython().execution_count == 1)(__import__('sys').modules.get('IPython'))`
  const adopt = `(e.update(${json(env)}), ${isNew} and __import__('random').seed())`
  return inEnviron(`e.get(${literal(marker)}) == ${literal(env[marker] ?? '')} or ${adopt}`)
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
