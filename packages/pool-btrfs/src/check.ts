import { readdir, readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { syncPath, writeFileSynced } from './durable.ts'
import { runTool, ToolFailed } from './run-tool.ts'

const DIGESTS = 'digests.json'
const TIMEOUT_MS = 6 * 3600 * 1000
const BROKEN = /Input\/output error/

type Digests = Record<string, { bytes: number; sha256: string }>
/** Runs a program that reads, behind whatever is in a hurry */
type Reader = (tool: string, args: string[]) => Promise<string>

/**
 * What is wrong with the snapshot in `dir`, `null` if nothing. Nothing of it is run or looked up by a path of the guest's:
 * sending a subvolume makes the kernel read all of its data, and compare that with the checksums that it keeps.
 */
export async function checkSnapshot(
  dir: string,
  signal: AbortSignal,
  { idle = false }: { idle?: boolean },
): Promise<string | null> {
  // A program that is quick may come to its end before it is ended.
  signal.throwIfAborted()
  // On a busy machine what is idle may never come to its end, which is no answer for whoever waits for it.
  const place = idle ? ['-n', '19', 'ionice', '-c', '3'] : ['-n', '5', 'ionice', '-c', '2', '-n', '7']
  const read: Reader = (tool, args) => runTool('nice', [...place, tool, ...args], TIMEOUT_MS, { signal })
  try {
    const wrong = await checkMemory(dir, read)
    if (wrong !== null) return wrong
    await read('btrfs', ['send', '-q', '-f', '/dev/null', join(dir, 'rootfs')])
    return null
  } catch (error) {
    if (error instanceof ToolFailed && BROKEN.test(error.stderr)) return error.stderr.slice(-500)
    throw error
  }
}

/** Memory has no checksums: `+C` is what makes its writing fast. So digests are kept, from when it was first read. */
async function checkMemory(dir: string, read: Reader): Promise<string | null> {
  const found: Digests = {}
  for (const name of (await readdir(join(dir, 'memory'))).sort()) {
    const path = join(dir, 'memory', name)
    // From the disk, not from the page cache.
    await runTool('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none'])
    const said = await read('sha256sum', ['--zero', path])
    found[name] = { bytes: (await stat(path)).size, sha256: said.slice(0, 64) }
  }
  if (Object.keys(found).length === 0) return null
  const kept = await readFile(join(dir, DIGESTS), 'utf8').then(
    (text) => JSON.parse(text) as Digests,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null
      throw error
    },
  )
  if (kept === null) {
    await writeFileSynced(join(dir, `${DIGESTS}.new`), `${JSON.stringify(found, null, 2)}\n`)
    await rename(join(dir, `${DIGESTS}.new`), join(dir, DIGESTS))
    await syncPath(dir)
    return null
  }
  for (const name of new Set([...Object.keys(kept), ...Object.keys(found)])) {
    const [was, is] = [kept[name], found[name]]
    if (was === undefined) return `memory/${name} was not there before`
    if (is === undefined) return `memory/${name} is missing`
    if (was.bytes !== is.bytes) return `memory/${name} has ${is.bytes} bytes, not ${was.bytes}`
    if (was.sha256 !== is.sha256) return `memory/${name} is not what it was: its SHA-256 differs`
  }
  return null
}
