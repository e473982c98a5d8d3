import { type Env, invalidArgument, type Labels } from '@spawnpoint/core'
import { z } from 'zod'
import { jsonOf, OWN } from './labels.ts'

const MAX_LABEL_CHARS = 1024
const namesSchema = z.array(z.string())

/**
 * Variables that a box was given as its own (`env_vars`), in a layer above those of its `run_config`: their values are not told,
 * and go along with a snapshot only where that is asked for. All are in the sandbox's environment; here are the names of these.
 */
export function ownEnvLabel(names: Iterable<string>): Labels {
  const all = [...new Set(names)].sort()
  const text = JSON.stringify(all)
  if (text.length > MAX_LABEL_CHARS)
    throw invalidArgument(
      'body.env_vars',
      `names of at most ${MAX_LABEL_CHARS} characters in all; run_config may hold more`,
    )
  return all.length === 0 ? {} : { [OWN.ownEnv]: text }
}

export function ownEnvNames(labels: Labels): Set<string> {
  return new Set(namesSchema.safeParse(jsonOf(labels[OWN.ownEnv])).data)
}

/** The environment below what is the box's own. */
export function withoutOwn(env: Env, labels: Labels): Env {
  const own = ownEnvNames(labels)
  return Object.fromEntries(Object.entries(env).filter(([name]) => !own.has(name)))
}
