import type { MessageInitShape } from '@bufbuild/protobuf'
import { Code, ConnectError } from '@connectrpc/connect'
import type { FileEvent, Guest } from '@spawnpoint/core'
import { ENTRY_DETAILS, entryOf, kindOf } from './entry.ts'
import { EventType, type FilesystemEventSchema, type WatchDirRequest } from './gen/filesystem_pb.ts'
import { withKeepalive } from './keepalive.ts'
import type { RpcCall } from './rpc-call.ts'
import { on, pathOf } from './who.ts'

export type Change = MessageInitShape<typeof FilesystemEventSchema>
export type WatchRequest = Pick<WatchDirRequest, 'path' | 'recursive' | 'includeEntry'>

/** Follows a directory; the first message says that nothing is missed from now on. */
export async function* watchDir(request: WatchRequest, call: RpcCall, signal: AbortSignal) {
  const changes = await watch(request, call, signal)
  yield { event: { case: 'start' as const, value: {} } }
  for await (const change of withKeepalive<Change | null>(changes, call.keepaliveSeconds * 1000, () => null, signal)) {
    if (change === null) yield { event: { case: 'keepalive' as const, value: {} } }
    else yield { event: { case: 'filesystem' as const, value: change } }
  }
}

/** Changes below a directory; the watch is live once the promise resolves. Rejects what is no directory. */
export async function watch(
  { path, recursive, includeEntry }: WatchRequest,
  { user, guest: reach }: Pick<RpcCall, 'user' | 'guest'>,
  signal: AbortSignal,
): Promise<AsyncIterable<Change>> {
  const { guest, sandbox } = await reach()
  const root = await guest.files.stat(pathOf(path, sandbox), { ...on(user), targets: true })
  if (kindOf(root) !== 'directory') throw new ConnectError(`path ${root.path} is not a directory`, Code.InvalidArgument)
  const events = await guest.files.watch(root.path, { recursive, signal, ...on(user) })
  return told(guest, events, root.path, includeEntry)
}

const TYPES: { [T in FileEvent['type']]: EventType } = {
  created: EventType.CREATE,
  modified: EventType.WRITE,
  removed: EventType.REMOVE,
  renamed: EventType.RENAME,
  attributes: EventType.CHMOD,
}

async function* told(guest: Guest, events: AsyncIterable<FileEvent>, root: string, includeEntry: boolean) {
  const prefix = root === '/' ? '/' : `${root}/`
  for await (const { type, path } of events) {
    // Of the directory itself there is nothing to tell.
    if (!path.startsWith(prefix)) continue
    const change: Change = { name: path.slice(prefix.length), type: TYPES[type] }
    const present = type !== 'removed' && type !== 'renamed'
    const entry = includeEntry && present ? await entryAt(guest, path) : undefined
    yield entry === undefined ? change : { ...change, entry }
  }
}

async function entryAt(guest: Guest, path: string) {
  try {
    return entryOf(await guest.files.stat(path, ENTRY_DETAILS))
  } catch {
    // It is gone again, or the sandbox is, which the events tell.
    return undefined
  }
}
