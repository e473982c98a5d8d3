import { createTwoFilesPatch, FILE_HEADERS_ONLY } from 'diff'
import type { TextOutcome } from '../model.ts'

/** Most that is read of a file to compare its text, in bytes. */
export const TEXT_BYTES = 2 * 2 ** 20
/** Nobody else is answered meanwhile. */
const AT_ONCE_MS = 50
const IN_PIECES_MS = 3_000
const FORMAT = { context: 3, headerOptions: FILE_HEADERS_ONLY }

/** The difference of two files, `null` for one that is not there. */
export async function compareText(
  path: string,
  before: Uint8Array | null,
  after: Uint8Array | null,
): Promise<{ outcome: TextOutcome; unified: string | null }> {
  const same = before !== null && after !== null && Buffer.compare(before, after) === 0
  if (same) return { outcome: 'same', unified: '' }
  const [old, young] = [textOf(before), textOf(after)]
  if (old === null || young === null) return { outcome: 'binary', unified: null }
  const names = [before === null ? '/dev/null' : `a${path}`, after === null ? '/dev/null' : `b${path}`] as const
  const unified = atOnce(names, old, young) ?? (await inPieces(names, old, young))
  return unified === null ? { outcome: 'too_different', unified } : { outcome: 'text', unified }
}

function textOf(bytes: Uint8Array | null): string | null {
  if (bytes === null) return ''
  if (bytes.includes(0)) return null
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null // some other encoding, or no text at all
  }
}

type Names = readonly [string, string]

function atOnce([before, after]: Names, old: string, young: string): string | null {
  const bounds = { ...FORMAT, timeout: AT_ONCE_MS }
  return createTwoFilesPatch(before, after, old, young, undefined, undefined, bounds) ?? null
}

/** A little of it each turn of the event loop. */
function inPieces([before, after]: Names, old: string, young: string): Promise<string | null> {
  return new Promise((resolve) => {
    const callback = (patch: string | undefined) => resolve(patch ?? null)
    const bounds = { ...FORMAT, timeout: IN_PIECES_MS, callback }
    createTwoFilesPatch(before, after, old, young, undefined, undefined, bounds)
  })
}
