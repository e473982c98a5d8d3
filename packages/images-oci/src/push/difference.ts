import { mkdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { runConfined } from '@spawnpoint/confined'

/** What a tree has over the one that it was cloned from, as files for tar. */
export interface Difference {
  /** Names of what is new or other, below the tree, each ended by a zero byte */
  changed: string
  /** The same of `whiteouts` */
  removed: string
  /** Directory with a file for each name that is not there any more, as layers say it */
  whiteouts: string
  isEmpty: boolean
}

export interface DifferenceOptions {
  timeoutMs: number
  signal: AbortSignal
}

/** Trees with more are not compared: all names are held in memory. */
const MAX_ENTRIES = 1_000_000
/** tar opens by path what it is given by name. */
const MAX_PATH = 3_500
const MAX_NAME = 255
const WHITEOUT = '.wh.'
/** What an entry is, and since when: nothing inside a sandbox sets an inode's number or the time of its last change. */
const FORMAT = '%y %i %C@ %T@ %s %m %U %G %n %P\\0'
const FIELDS = 9

/**
 * Compares a tree with the clone's origin by what the file system says of each entry; nothing is read. Trees that are no
 * clones of each other differ in everything, which is as right. `null` where a layer cannot say it.
 */
export async function difference(
  base: string,
  tree: string,
  dir: string,
  options: DifferenceOptions,
): Promise<Difference | null> {
  const before = new Map<string, string>()
  const changed: string[] = []
  const replaced = new Set<string>()
  let tellable = true
  let entries = 0
  await listed(base, options, ({ path, state }) => {
    if (!isAgents(path)) before.set(path, state)
    return before.size <= MAX_ENTRIES
  })
  await listed(tree, options, ({ path, state }) => {
    entries += 1
    // Sockets are in no archive, and a name that is a mark means what it marks.
    if (isAgents(path) || state.startsWith('s') || nameOf(path).startsWith(WHITEOUT)) return true
    const was = before.get(path)
    before.delete(path)
    if (was === state || (path === '' && sameTop(was, state))) return true
    if (was?.startsWith('d') && !state.startsWith('d')) replaced.add(path)
    if (path.length > MAX_PATH) tellable = false
    changed.push(path)
    return tellable && entries <= MAX_ENTRIES
  })
  if (!tellable || entries > MAX_ENTRIES || before.size > MAX_ENTRIES) return null
  // What was in a directory that is gone goes with it, and so does what was in one that is none any more.
  const gone = [...before.keys()].filter((path) => {
    const above = parentOf(path)
    return path !== '' && !before.has(above) && !replaced.has(above)
  })
  if (gone.some((path) => path.length > MAX_PATH || WHITEOUT.length + nameOf(path).length > MAX_NAME)) return null
  return written(dir, changed.sort(inOrder), gone.sort(inOrder))
}

async function written(dir: string, changed: string[], gone: string[]): Promise<Difference> {
  const whiteouts = join(dir, 'whiteouts')
  await mkdir(whiteouts, { recursive: true, mode: 0o700 })
  const marks = gone.map((path) => `${parentOf(path) === '' ? '' : `${parentOf(path)}/`}${WHITEOUT}${nameOf(path)}`)
  for (const mark of marks) {
    // Below a directory of our own, by names that a directory had: none of them leads up.
    const path = Buffer.concat([Buffer.from(`${whiteouts}/`), bytes(mark)])
    await mkdir(path.subarray(0, path.lastIndexOf('/')), { recursive: true, mode: 0o700 })
    await writeFile(path, '', { mode: 0o600 })
    await utimes(path, 0, 0)
  }
  const [changedFile, removedFile] = [join(dir, 'changed'), join(dir, 'removed')]
  await writeFile(changedFile, bytes(changed.map((path) => `./${path}\0`).join('')))
  await writeFile(removedFile, bytes(marks.map((path) => `./${path}\0`).join('')))
  return { changed: changedFile, removed: removedFile, whiteouts, isEmpty: changed.length + marks.length === 0 }
}

interface Entry {
  /** Bytes as Latin-1, `''` for the top */
  path: string
  /** Its type first, then all that is compared */
  state: string
}

/** Each entry of a tree, until `take` says that it is enough. */
async function listed(tree: string, options: DifferenceOptions, take: (entry: Entry) => boolean): Promise<void> {
  await runConfined({
    step: 'compare with the image',
    program: 'find',
    args: ['-P', '/tree', '-xdev', '-printf', FORMAT],
    readable: [['/tree', tree]],
    writable: [],
    capabilities: ['CAP_DAC_READ_SEARCH'],
    fileBytes: 0,
    timeoutMs: options.timeoutMs,
    signal: options.signal,
    output: async (stdout) => {
      let wanted = true
      for await (const record of records(stdout)) if (wanted) wanted = take(entryOf(record))
    },
  })
}

async function* records(stdout: Readable): AsyncGenerator<string> {
  let rest = ''
  for await (const piece of stdout as AsyncIterable<Buffer>) {
    const parts = (rest + piece.toString('latin1')).split('\0')
    rest = parts.pop() ?? ''
    yield* parts
  }
}

function entryOf(record: string): Entry {
  let end = -1
  for (let field = 0; field < FIELDS; field += 1) end = record.indexOf(' ', end + 1)
  return { state: record.slice(0, end), path: record.slice(end + 1) }
}

/** Where the agent is mounted. */
function isAgents(path: string): boolean {
  return path === '.spawnpoint' || path.startsWith('.spawnpoint/')
}

/** A clone's own top is younger than its origin's: its rights and owners alone count. */
function sameTop(was: string | undefined, is: string): boolean {
  const counts = (state: string) => state.split(' ').slice(5, 8).join(' ')
  return was !== undefined && counts(was) === counts(is)
}

function parentOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : ''
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function bytes(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

/** By bytes: a directory comes before what is in it. */
function inOrder(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}
