import { fileURLToPath } from 'node:url'
import { runTool } from './run-tool.ts'

const SCRIPT = fileURLToPath(new URL('./btrfs-ioctl.pl', import.meta.url))
const TIMEOUT_MS = 600_000

/**
 * Bytes that the subvolume refers to, shared or not, to a percent. Reads its tree from end to end, 5 ms for a thousand
 * files, as what has time.
 */
export async function referencedBytes(subvolume: string, signal?: AbortSignal): Promise<number> {
  const said = await scan(['referenced', subvolume], { signal })
  const bytes = Number(said)
  if (!Number.isSafeInteger(bytes)) throw new Error(`not a number of bytes: ${said.slice(0, 80)}`)
  return bytes
}

/** Bytes of files' data, as large as their extents are on disk. */
export interface Held {
  /** Nothing else of what was asked about refers to these */
  aloneBytes: number
  allBytes: number
}

/** What subvolumes hold, and what sets of them do; `null` for one that is gone. Takes as long as scanning each. */
export async function heldBytes(
  sets: readonly (readonly string[])[],
  signal?: AbortSignal,
): Promise<{ things: (Held | null)[]; held: Held }[]> {
  const filled = sets.flatMap((paths, set) => paths.map((path) => `${set} ${path}\n`))
  const lines = (await scan(['held'], { input: filled.join(''), signal })).split('\n')
  const take = (): Held | null => {
    const line = lines.shift() ?? ''
    if (line === 'gone') return null
    const [aloneBytes, allBytes] = line.split(' ').map(Number)
    if (aloneBytes === undefined || !Number.isSafeInteger(allBytes)) throw new Error(`not held: ${line.slice(0, 80)}`)
    return { aloneBytes, allBytes: Number(allBytes) }
  }
  const things = sets.map((paths) => paths.map(take))
  const nothing = { aloneBytes: 0, allBytes: 0 }
  return sets.map((paths, set) => ({
    things: things[set] ?? [],
    held: paths.length === 0 ? nothing : (take() ?? nothing),
  }))
}

/** A line for each thing that is held */
const OUTPUT_MAX_BYTES = 64 * 2 ** 20

function scan(args: string[], options: Parameters<typeof runTool>[3] = {}): Promise<string> {
  return runTool('nice', ['-n', '19', 'ionice', '-c', '3', 'perl', SCRIPT, ...args], TIMEOUT_MS, {
    ...options,
    outputBytes: OUTPUT_MAX_BYTES,
  })
}

/** Rejects `ToolFailed` where the kernel is older than 6.7 or perl is missing. */
export async function enableSimpleQuotas(path: string): Promise<void> {
  await runTool('perl', [SCRIPT, 'enable-simple-quotas', path])
}
