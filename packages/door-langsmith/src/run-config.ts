import type { Env, Image, Labels, Sandbox } from '@spawnpoint/core'
import { noNul, optional, variables } from '@spawnpoint/door-kit'
import { z } from 'zod'
import { jsonOf, OWN, present } from './labels.ts'
import { withoutOwn } from './own-env.ts'

/** User, directory and variables of commands; each layer over the one before: image, snapshot, box, one command. */
export const runConfigSchema = z.object({
  user: optional(z.string().min(1).max(256)),
  work_dir: optional(noNul.max(4096).regex(/^\//, 'an absolute path')),
  env_vars: optional(variables),
})
export type RunConfig = Partial<z.output<typeof runConfigSchema>>

/** As labels of whatever bears it; variables have a place of their own. */
export function runLabels({ user, work_dir }: RunConfig): Labels {
  return present({ [OWN.user]: user, [OWN.workDir]: work_dir })
}

export function envOf(labels: Labels): Env {
  return z.record(z.string(), z.string()).safeParse(jsonOf(labels[OWN.env])).data ?? {}
}

type Layered = Pick<Image, 'defaults' | 'labels'> & { env?: Env }

export function runConfigJson({ defaults, labels, env }: Layered) {
  return {
    user: labels[OWN.user] ?? defaults.user,
    work_dir: labels[OWN.workDir] ?? defaults.workdir,
    env_vars: { ...defaults.env, ...withoutOwn(env ?? {}, labels), ...envOf(labels) },
  }
}

/** Who runs a command and where, for the core; absent what the image says already. */
export function processDefaults({ labels }: Pick<Sandbox, 'labels'>, own: RunConfig) {
  const user = own.user ?? labels[OWN.user]
  const cwd = own.work_dir ?? labels[OWN.workDir]
  return { ...(user === undefined ? {} : { user }), ...(cwd === undefined ? {} : { cwd }) }
}
