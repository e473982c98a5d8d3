import type { ImageDefaults } from '@spawnpoint/core'
import { optional } from '@spawnpoint/door-kit'
import { z } from 'zod'

const words = z.array(z.string().max(32_768)).max(1024)

/** The command and the ports that a snapshot records; what is absent stays as it was, and nothing of it runs in boxes. */
export const imageConfigSchema = z.object({
  cmd: optional(words),
  entrypoint: optional(words),
  exposed_ports: optional(z.array(z.number().int().min(1).max(65_535)).max(256)),
})
type ImageConfig = z.output<typeof imageConfigSchema>
type Start = Pick<ImageDefaults, 'startCommand' | 'entrypoint' | 'exposedPorts' | 'idle'>

/** For the core: over what there was. */
export function startOf(before: ImageDefaults, asked: ImageConfig | undefined): Partial<Start> {
  if (asked === undefined) return {}
  const { exposed_ports: exposedPorts } = asked
  const ports = exposedPorts === undefined ? {} : { exposedPorts }
  if (asked.cmd === undefined && asked.entrypoint === undefined) return ports
  const { entrypoint: began, cmd: went } = partsOf(before)
  const { entrypoint = began, cmd = went } = asked
  return { startCommand: [...entrypoint, ...cmd], entrypoint, idle: true, ...ports }
}

/** As clients are told of it. */
export function imageConfigJson(defaults: ImageDefaults) {
  return { ...partsOf(defaults), exposed_ports: defaults.exposedPorts ?? [] }
}

function partsOf({ startCommand, entrypoint = [] }: ImageDefaults): { entrypoint: string[]; cmd: string[] } {
  const begins = entrypoint.every((part, index) => startCommand[index] === part)
  return begins ? { entrypoint, cmd: startCommand.slice(entrypoint.length) } : { entrypoint: [], cmd: startCommand }
}
