import { type Env, type Image, invalidArgument, type Labels, type Sandbox } from '@spawnpoint/core'
import { optional } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { OWN, present } from './labels.ts'

/** User, directory and variables of commands; each layer over the one before: image, snapshot, box, one command. */
export const runConfigSchema = z.object({
  user: optional(z.string().min(1).max(256)),
  work_dir: optional(z.string().max(4096).regex(/^\//, 'an absolute path')),
  env_vars: optional(z.record(z.string().min(1).max(256), z.string())),
})
export type RunConfig = Partial<z.output<typeof runConfigSchema>>

/** As labels of whatever bears it; variables have a place of their own. */
export function runLabels({ user, work_dir }: RunConfig): Labels {
  return present({ [OWN.user]: user, [OWN.workDir]: work_dir })
}

export function envLabel(env: Env | undefined): Labels {
  if (env === undefined || Object.keys(env).length === 0) return {}
  const text = JSON.stringify(env)
  // Labels hold no more.
  if (text.length > 1024)
    throw invalidArgument('body.run_config.env_vars', 'of a captured snapshot at most 1,024 characters in all')
  return { [OWN.env]: text }
}

export function envOf(labels: Labels): Env {
  const text = labels[OWN.env]
  const parsed = z.record(z.string(), z.string()).safeParse(text === undefined ? {} : jsonOf(text))
  return parsed.success ? parsed.data : {}
}

/** Labels can be changed through other protocols: what is no JSON says nothing. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

type Layered = Pick<Image, 'defaults' | 'labels'> & { env?: Env }

export function runConfigJson({ defaults, labels, env }: Layered) {
  return {
    user: labels[OWN.user] ?? defaults.user,
    work_dir: labels[OWN.workDir] ?? defaults.workdir,
    env_vars: { ...defaults.env, ...env, ...envOf(labels) },
  }
}

/** Who runs a command and where, for the core; absent what the image says already. */
export function processDefaults({ labels }: Pick<Sandbox, 'labels'>, own: RunConfig) {
  const user = own.user ?? labels[OWN.user]
  const cwd = own.work_dir ?? labels[OWN.workDir]
  return { ...(user === undefined ? {} : { user }), ...(cwd === undefined ? {} : { cwd }) }
}
