import { dirname } from 'node:path/posix'
import { isCode } from '../errors.ts'
import { basePath } from '../exchange/base.ts'
import { noneKnown } from '../exchange/conflicts.ts'
import { exchange } from '../exchange/exchange.ts'
import type { Remote, Sandbox } from '../model.ts'
import type { Parts } from '../parts.ts'
import type { Guest, GuestFiles, RemoteChange } from '../ports/index.ts'
import { rulesFor } from '../services/remotes.ts'
import type { Work } from './runner.ts'

/** Milliseconds that one remote may take; readers have limits of their own, which say more */
const BRING_MS = 20 * 60_000
/** Where more has changed all of it is put in the place of what is there */
const MAX_MOVES = 1_000

/**
 * Puts the sandbox's remotes where they belong, one after the other, and tells them as they are then. Nothing of it outlives a
 * server that dies here but what is in the sandbox, which goes with it.
 */
export async function bringRemotes(
  work: Work<unknown>,
  sandbox: Sandbox,
  guest: Guest,
  isThere: (remote: Remote) => Promise<boolean> = async () => false,
): Promise<Remote[]> {
  const brought: Remote[] = []
  for (const remote of sandbox.remotes) {
    if (await isThere(remote)) {
      brought.push(remote)
      continue
    }
    const ended = new AbortController()
    const whole: Remote = { ...remote, version: null }
    const run =
      remote.writable === true
        ? () => bringWritable(work.parts, sandbox, guest.files, whole, ended.signal)
        : async () => ({ version: await bringRemote(work.parts, sandbox, guest.files, whole, ended.signal) })
    try {
      const bring = () => work.fromGuest(`bring ${remote.name}`, run, { timeoutMs: BRING_MS })
      brought.push({ ...remote, ...(await work.step('bring remote', bring)) })
    } finally {
      ended.abort()
    }
  }
  return brought
}

/** As `bringRemote`, all of it, with what later looks compare with. */
export async function bringWritable(
  parts: Parts,
  sandbox: Sandbox,
  files: GuestFiles,
  remote: Remote,
  signal: AbortSignal,
): Promise<Pick<Remote, 'version' | 'writes'>> {
  // Without it first: files that go must not be taken for files that somebody removes.
  await remove(files, basePath(remote))
  await remove(files, remote.path)
  await files.mkdir(remote.path, { parents: true, owner: sandbox.defaults.user })
  const request = { look: true, last: false, known: noneKnown() }
  const { version, writes } = await exchange(parts, sandbox, files, remote, request, signal)
  return { version, writes }
}

/**
 * Puts what a remote holds in the place of what is there, or changes that, unless it is what the remote holds. Answers which version it
 * is. While single files change there is none, which `changing` is told before the first does.
 */
export async function bringRemote(
  parts: Parts,
  sandbox: Sandbox,
  files: GuestFiles,
  remote: Remote,
  signal: AbortSignal,
  changing: () => Promise<void> = async () => {},
): Promise<string> {
  const { closing, remotes = [] } = parts
  const { path, source, version } = remote
  const reader = remotes.find(({ type }) => type === source.type)
  if (reader === undefined) throw new Error(`nobody reads remotes of ${source.type}`)
  const credentials = await rulesFor(parts, sandbox, remote)
  const owner = sandbox.defaults.user
  // Beside it, so that what is there is whole until what replaces it is.
  const aside = path.replace(/([^/]+)$/, '.$1.spawnpoint')
  // More than its disk holds could not be put there.
  const { teamId: team, resources } = sandbox
  const ask = { source, team, credentials, known: version, maxBytes: resources.diskBytes, maxChanges: MAX_MOVES }
  return reader.read(
    ask,
    async (archive, change) => {
      await remove(files, aside)
      await files.mkdir(aside, { parents: true, owner })
      try {
        await files.unpack(archive, { source: '.', destination: `${aside}/`, owner })
      } catch (error) {
        // An archive with nothing in it, as of a commit without files: the directory is there.
        if (!isCode(error, 'guest_error') || error.context.errno !== 'ENOENT' || error.context.path !== '.') throw error
      }
      if (change === null) {
        await remove(files, path)
        await files.move(aside, path)
        return
      }
      await changing()
      await apply(files, change, { aside, path, owner })
      await remove(files, aside)
    },
    AbortSignal.any([closing, signal]),
  )
}

async function apply(
  files: GuestFiles,
  { brought, gone }: RemoteChange,
  { aside, path, owner }: { aside: string; path: string; owner: string },
): Promise<void> {
  for (const name of gone) await remove(files, `${path}/${name}`)
  for (const directory of new Set(brought.map((name) => dirname(`${path}/${name}`))))
    await files.mkdir(directory, { parents: true, owner })
  for (const name of brought) await files.move(`${aside}/${name}`, `${path}/${name}`)
}

async function remove(files: GuestFiles, path: string): Promise<void> {
  try {
    await files.remove(path, { recursive: true })
  } catch (error) {
    // Then it is as it should be.
    if (!isCode(error, 'guest_error') || error.context.errno !== 'ENOENT') throw error
  }
}
