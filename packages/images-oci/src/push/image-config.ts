import type { PackedRoot } from '@spawnpoint/core'
import { object } from '../json.ts'
import { machinePlatform } from '../manifest.ts'

/** What `docker run` does with an image that says nothing of a command; here a shell, where there is one. */
const SHELL = ['/bin/sh']

/** The config of an image with these layers, such that containers of it start as sandboxes do. */
export function imageConfig(
  { defaults, labels, createdAt }: Pick<PackedRoot, 'defaults' | 'labels' | 'createdAt'>,
  { diffIds, history, added }: { diffIds: string[]; history: readonly unknown[]; added: boolean },
): object {
  const told = [...history, ...(added ? [{ created: createdAt.toISOString(), created_by: 'spawnpoint' }] : [])]
  const { os, architecture } = machinePlatform()
  const { env, user, workdir, startCommand, entrypoint = [], exposedPorts = [] } = defaults
  const begins = entrypoint.length > 0 && entrypoint.every((part, index) => startCommand[index] === part)
  const command = startCommand.length > 0 ? startCommand : SHELL
  return {
    created: createdAt.toISOString(),
    architecture,
    os,
    config: {
      Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
      User: user === 'root' ? '' : user,
      WorkingDir: workdir,
      ...(begins ? { Entrypoint: entrypoint, Cmd: startCommand.slice(entrypoint.length) } : { Cmd: command }),
      ...(exposedPorts.length > 0
        ? { ExposedPorts: Object.fromEntries(exposedPorts.map((port) => [`${port}/tcp`, {}])) }
        : {}),
      ...(Object.keys(labels).length > 0 ? { Labels: labels } : {}),
    },
    rootfs: { type: 'layers', diff_ids: diffIds },
    ...(told.filter(isFilled).length === diffIds.length ? { history: told } : {}),
  }
}

/** Whether an entry of a history stands for a layer. */
export function isFilled(entry: unknown): boolean {
  return object(entry)?.empty_layer !== true
}
