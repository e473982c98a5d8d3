import { Code, ConnectError, type ConnectRouter, type HandlerContext } from '@connectrpc/connect'
import { type FileInfo, type Guest, isCode, type Sandbox } from '@spawnpoint/core'
import { ENTRY_DETAILS, entryOf, kindOf } from './entry.ts'
import { Filesystem } from './gen/filesystem_pb.ts'
import { callOf, type RpcCall } from './rpc-call.ts'
import { watchDir } from './watch.ts'
import type { Watchers } from './watchers.ts'
import { on, pathOf } from './who.ts'

/** Most entries of one answer; the guest gives no more. */
const LIST_LIMIT = 100_000

const NOTHING_BELOW = new Set(['ENOTDIR', 'ELOOP'])

/** `filesystem.Filesystem`: files as the agent sees them, which is root. */
export function filesystemRoutes(router: ConnectRouter, watchers: Watchers): void {
  router.service(Filesystem, {
    async stat({ path }, context) {
      const { call, guest, sandbox } = await reach(context)
      try {
        return { entry: entryOf(await guest.files.stat(pathOf(path, sandbox), { ...on(call.user), ...ENTRY_DETAILS })) }
      } catch (error) {
        // Below a file, or a link that leads back to itself, there is nothing: who asks whether something exists is to hear that.
        if (!isCode(error, 'guest_error') || !NOTHING_BELOW.has(error.context.errno)) throw error
        throw new ConnectError(error.message, Code.NotFound, undefined, undefined, error)
      }
    },
    async listDir({ path, depth }, context) {
      const { call, guest, sandbox } = await reach(context)
      const options = { depth: depth || 1, limit: LIST_LIMIT, room: call.room, ...on(call.user), ...ENTRY_DETAILS }
      const entries = await guest.files.list(pathOf(path, sandbox), options)
      return { entries: entries.sort(inTreeOrder).map(entryOf) }
    },
    async makeDir({ path }, context) {
      const { call, guest, sandbox } = await reach(context)
      const at = pathOf(path, sandbox)
      const found = await existing(guest, at, call.user)
      if (found !== null && kindOf(found) === 'directory')
        throw new ConnectError(`directory already exists: ${found.path}`, Code.AlreadyExists)
      if (found !== null)
        throw new ConnectError(`path already exists but it is not a directory: ${found.path}`, Code.InvalidArgument)
      const made = await guest.files.mkdir(at, { parents: true, ...on(call.user) })
      return { entry: entryOf(made) }
    },
    async move({ source, destination }, context) {
      const { call, guest, sandbox } = await reach(context)
      const options = { ...on(call.user), ...ENTRY_DETAILS }
      const moved = await guest.files.move(pathOf(source, sandbox), pathOf(destination, sandbox), options)
      return { entry: entryOf(moved) }
    },
    async remove({ path }, context) {
      const { call, guest, sandbox } = await reach(context)
      try {
        await guest.files.remove(pathOf(path, sandbox), { recursive: true, ...on(call.user) })
      } catch (error) {
        // It is gone: that is what was wanted.
        if (!isCode(error, 'guest_error') || error.context.errno !== 'ENOENT') throw error
      }
      return {}
    },
    watchDir: (request, context) => watchDir(request, callOf(context), context.signal),
    async createWatcher(request, context) {
      return { watcherId: await watchers.create(request, callOf(context)) }
    },
    async getWatcherEvents({ watcherId }, context) {
      const { sandbox } = await callOf(context).guest()
      return { events: await watchers.events(watcherId, sandbox.id) }
    },
    async removeWatcher({ watcherId }, context) {
      const { sandbox } = await callOf(context).guest()
      watchers.remove(watcherId, sandbox.id)
      return {}
    },
  })
}

async function reach(context: HandlerContext): Promise<{ call: RpcCall; guest: Guest; sandbox: Sandbox }> {
  const call = callOf(context)
  return { call, ...(await call.guest()) }
}

async function existing(guest: Guest, path: string, user: string | undefined): Promise<FileInfo | null> {
  try {
    return await guest.files.stat(path, { ...on(user), targets: true })
  } catch (error) {
    if (isCode(error, 'guest_error') && error.context.errno === 'ENOENT' && error.context.what === undefined)
      return null
    throw error
  }
}

/** A directory before what is in it, names in order: `a`, `a/x`, `a-b`. */
function inTreeOrder(a: FileInfo, b: FileInfo): number {
  const [left, right] = [a.path.replaceAll('/', '\0'), b.path.replaceAll('/', '\0')]
  return left < right ? -1 : left > right ? 1 : 0
}
