import { isCode } from '../errors.ts'
import type { Remote, Sandbox } from '../model.ts'
import type { Guest, GuestFiles, OutgoingRule } from '../ports/index.ts'
import { outgoingRules } from '../services/credentials.ts'
import type { Work } from './runner.ts'

/** Milliseconds that one remote may take; readers have limits of their own, which say more */
const BRING_MS = 20 * 60_000

/**
 * Puts the sandbox's remotes where they belong, one after the other. Nothing of it outlives a server that dies here but what
 * is in the sandbox, which goes with it.
 */
export async function bringRemotes(work: Work<unknown>, sandbox: Sandbox, guest: Guest): Promise<void> {
  if (sandbox.remotes.length === 0) return
  const rules = await outgoingRules(work.parts, sandbox)
  for (const remote of sandbox.remotes)
    await work.step('bring remote', () => bring(work, sandbox, guest.files, remote, rules))
}

async function bring(
  work: Work<unknown>,
  { resources, defaults }: Sandbox,
  files: GuestFiles,
  { name, path, source }: Remote,
  credentials: readonly OutgoingRule[],
): Promise<void> {
  const { closing, remotes = [] } = work.parts
  const reader = remotes.find(({ type }) => type === source.type)
  if (reader === undefined) throw new Error(`nobody reads remotes of ${source.type}`)
  const ended = new AbortController()
  // More than its disk holds could not be put there.
  const ask = { source, credentials, maxBytes: resources.diskBytes }
  const signal = AbortSignal.any([closing, ended.signal])
  const run = async () => {
    await emptied(files, path, defaults.user)
    await reader.read(
      ask,
      async (archive) => {
        try {
          await files.unpack(archive, { source: '.', destination: `${path}/`, owner: defaults.user })
        } catch (error) {
          // An archive with nothing in it, as of a commit without files: the directory is there.
          if (!isCode(error, 'guest_error') || error.context.errno !== 'ENOENT' || error.context.path !== '.')
            throw error
        }
      },
      signal,
    )
  }
  try {
    await work.fromGuest(`bring ${name}`, run, { timeoutMs: BRING_MS })
  } finally {
    ended.abort()
  }
}

/** What a snapshot brought along is of an earlier time. */
async function emptied(files: GuestFiles, path: string, owner: string): Promise<void> {
  try {
    await files.remove(path, { recursive: true })
  } catch (error) {
    // Then it is as it should be.
    if (!isCode(error, 'guest_error') || error.context.errno !== 'ENOENT') throw error
  }
  await files.mkdir(path, { parents: true, owner })
}
