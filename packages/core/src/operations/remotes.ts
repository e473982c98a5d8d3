import { isCode } from '../errors.ts'
import type { Remote, Sandbox } from '../model.ts'
import type { Parts } from '../parts.ts'
import type { Guest, GuestFiles, OutgoingRule } from '../ports/index.ts'
import { outgoingRules } from '../services/credentials.ts'
import type { Work } from './runner.ts'

/** Milliseconds that one remote may take; readers have limits of their own, which say more */
const BRING_MS = 20 * 60_000

/**
 * Puts the sandbox's remotes where they belong, one after the other, and tells them as they are then. Nothing of it outlives a
 * server that dies here but what is in the sandbox, which goes with it.
 */
export async function bringRemotes(work: Work<unknown>, sandbox: Sandbox, guest: Guest): Promise<Remote[]> {
  const { remotes } = sandbox
  if (remotes.length === 0) return remotes
  const rules = await outgoingRules(work.parts, sandbox)
  const brought: Remote[] = []
  for (const remote of remotes) {
    const ended = new AbortController()
    const run = () => bringRemote(work.parts, sandbox, guest.files, { ...remote, version: null }, rules, ended.signal)
    try {
      const bring = () => work.fromGuest(`bring ${remote.name}`, run, { timeoutMs: BRING_MS })
      brought.push({ ...remote, version: await work.step('bring remote', bring) })
    } finally {
      ended.abort()
    }
  }
  return brought
}

/** Puts what a remote holds in the place of what is there, unless that is what it holds. Answers which version it is. */
export async function bringRemote(
  { closing, remotes = [] }: Parts,
  { resources, defaults }: Sandbox,
  files: GuestFiles,
  { path, source, version }: Remote,
  credentials: readonly OutgoingRule[],
  signal: AbortSignal,
): Promise<string> {
  const reader = remotes.find(({ type }) => type === source.type)
  if (reader === undefined) throw new Error(`nobody reads remotes of ${source.type}`)
  const owner = defaults.user
  // Beside it, so that what is there is whole until what replaces it is.
  const aside = path.replace(/([^/]+)$/, '.$1.spawnpoint')
  // More than its disk holds could not be put there.
  const ask = { source, credentials, known: version, maxBytes: resources.diskBytes }
  return reader.read(
    ask,
    async (archive) => {
      await remove(files, aside)
      await files.mkdir(aside, { parents: true, owner })
      try {
        await files.unpack(archive, { source: '.', destination: `${aside}/`, owner })
      } catch (error) {
        // An archive with nothing in it, as of a commit without files: the directory is there.
        if (!isCode(error, 'guest_error') || error.context.errno !== 'ENOENT' || error.context.path !== '.') throw error
      }
      await remove(files, path)
      await files.move(aside, path)
    },
    AbortSignal.any([closing, signal]),
  )
}

async function remove(files: GuestFiles, path: string): Promise<void> {
  try {
    await files.remove(path, { recursive: true })
  } catch (error) {
    // Then it is as it should be.
    if (!isCode(error, 'guest_error') || error.context.errno !== 'ENOENT') throw error
  }
}
