import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import type { Requirements } from '@spawnpoint/core'
import { SpawnpointError } from '@spawnpoint/core'
import { AGENT_MOUNT, AGENT_PATH, type FrozenSpec, type Volumes } from './bundle.ts'
import { runtimeFailed } from './failure.ts'

/** Files of a memory image: two or three of runsc's, and ours. */
const SPEC_FILE = 'spawnpoint.json'
const CHECKPOINT_FILE = 'checkpoint.img'
const FORMAT = 1

/** Mount types that a frozen spec may name; a bind mount is the agent's or a volume's. */
const MOUNT_TYPES: ReadonlySet<string> = new Set(['proc', 'sysfs', 'tmpfs', 'bind'])

/** Adds the spec that a restore has to repeat. */
export async function writeFrozenSpec(dir: string, frozen: FrozenSpec): Promise<void> {
  await writeFile(`${dir}/${SPEC_FILE}`, JSON.stringify({ format: FORMAT, frozen }), { mode: 0o600 })
}

/**
 * Rejects `runtime_failed` if the image is incomplete and `incompatible` if a newer server made it, or if it holds on to other
 * volumes than are given.
 */
export async function readFrozenSpec(dir: string, volumes: Volumes): Promise<FrozenSpec> {
  let parsed: { format?: unknown; frozen?: FrozenSpec }
  try {
    parsed = JSON.parse(await readFile(`${dir}/${SPEC_FILE}`, 'utf8'))
  } catch (error) {
    throw runtimeFailed('restore', `${dir}/${SPEC_FILE} cannot be read`, error)
  }
  if (parsed.format !== FORMAT || !parsed.frozen) {
    throw incompatible(`memory image format ${String(parsed.format)}`, `format ${FORMAT}`)
  }
  const { frozen } = parsed
  const given = new Set([AGENT_MOUNT, ...volumes.map(({ path }) => path)])
  const foreign = frozen.mounts.find(
    (mount) => !MOUNT_TYPES.has(mount.type) || (mount.type === 'bind' && !given.has(mount.destination)),
  )
  // An image may come from another machine: nothing in it may name a path of this host.
  if (foreign) throw incompatible(`a mount of type ${foreign.type} at ${foreign.destination}`, 'no such mounts')
  const there = new Set(frozen.mounts.map(({ destination }) => destination))
  const more = volumes.find(({ path }) => !there.has(path))
  if (more) throw incompatible('its own volumes', `one at ${more.path}`)
  if (frozen.process.args[0] !== AGENT_PATH) throw incompatible(`init ${frozen.process.args[0]}`, AGENT_PATH)
  return frozen
}

/** Bytes of all files. Rejects `runtime_failed` if one that every restore needs is missing or empty. */
export async function memoryImageBytes(dir: string): Promise<number> {
  const sizes = new Map<string, number>()
  for (const name of await readdir(dir)) sizes.set(name, (await stat(`${dir}/${name}`)).size)
  for (const name of [CHECKPOINT_FILE, SPEC_FILE]) {
    if (!sizes.get(name)) throw runtimeFailed('checkpoint', `runsc reports success, yet ${name} is missing or empty`)
  }
  // Newer and older ones both split pages from state when nothing is compressed.
  const pages = sizes.has('pages.img') === sizes.has('pages_meta.img')
  if (!pages) throw runtimeFailed('checkpoint', 'runsc reports success, yet half of the page files is missing')
  return [...sizes.values()].reduce((sum, size) => sum + size, 0)
}

/** Rejects `incompatible`, naming the first thing that differs. */
export function checkRequirements(
  needs: Requirements,
  has: { runtime: string; runtimeVersion: string; cpuFeatures: ReadonlySet<string>; hasAgent: boolean },
): void {
  if (needs.runtime !== has.runtime) throw incompatible(`runtime ${needs.runtime}`, has.runtime)
  if (needs.runtimeVersion !== has.runtimeVersion) {
    throw incompatible(`${needs.runtime} ${needs.runtimeVersion}`, `${has.runtime} ${has.runtimeVersion}`)
  }
  const missing = needs.cpuFeatures.filter((feature) => !has.cpuFeatures.has(feature))
  if (missing.length > 0) throw incompatible(`CPU features ${missing.join(', ')}`, 'a CPU without them')
  if (!has.hasAgent) throw incompatible(`agent ${needs.agentDigest ?? 'unknown'}`, 'other agents only')
}

function incompatible(needs: string, has: string): SpawnpointError<'incompatible'> {
  return new SpawnpointError('incompatible', `The snapshot needs ${needs}; this host has ${has}`, { needs, has })
}
