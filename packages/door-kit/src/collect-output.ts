import { isUtf8 } from 'node:buffer'
import { type Output, type ProcessExit, SpawnpointError } from '@spawnpoint/core'
import { HeadBuffer } from './head-buffer.ts'
import { untilAborted } from './until-aborted.ts'
import { wholeOutput } from './whole-output.ts'

/** Bytes of each stream that an answer holds. */
export const OUTPUT_LIMIT_BYTES = 8 * 1024 * 1024

/** Milliseconds that an answer which comes at the end can do without news of a process, see `gatherMs` of its spec. */
export const PATIENT_MS = 50

export interface CollectedOutput {
  exit: ProcessExit
  stdout: string
  stderr: string
  encoding: 'utf8' | 'base64'
  truncated: { stdout: boolean; stderr: boolean }
}

/**
 * Reads a process to its end, or to that of the signal, and keeps the beginning of what it wrote. What a PTY showed counts as
 * stdout.
 */
export async function collectOutput(
  output: Output,
  sandboxId: string,
  { limitBytes = OUTPUT_LIMIT_BYTES, signal }: { limitBytes?: number; signal?: AbortSignal } = {},
): Promise<CollectedOutput> {
  const now = wholeOutput(output)
  const items = now.whole ?? (signal === undefined ? now.output : untilAborted(now.output, signal))
  const stdout = new HeadBuffer(limitBytes)
  const stderr = new HeadBuffer(limitBytes)
  for await (const item of items) {
    if (item.type === 'exit') {
      const [out, err] = [kept(stdout), kept(stderr)]
      const encoding = isUtf8(out) && isUtf8(err) ? 'utf8' : 'base64'
      return {
        exit: item.exit,
        stdout: out.toString(encoding),
        stderr: err.toString(encoding),
        encoding,
        truncated: { stdout: stdout.isCut, stderr: stderr.isCut },
      }
    }
    const head = item.stream === 'stderr' ? stderr : stdout
    if (item.type === 'gap') head.isCut = true
    else head.add(item.data)
  }
  throw new SpawnpointError('stale_incarnation', 'The sandbox ended before the process did', { sandboxId })
}

/** What was kept of a stream; cut text stays text. */
function kept(head: HeadBuffer): Buffer {
  return head.isCut ? wholeCharacters(head.bytes()) : head.bytes()
}

/** Without a character cut in two at the end. */
function wholeCharacters(data: Buffer): Buffer {
  for (let cut = 0; cut < 4 && cut < data.length; cut++) {
    const last = data[data.length - 1 - cut] as number
    if (last < 0x80) return data
    if (last >= 0xc0) {
      const length = last >= 0xf0 ? 4 : last >= 0xe0 ? 3 : 2
      return cut + 1 < length ? data.subarray(0, data.length - 1 - cut) : data
    }
  }
  return data
}
