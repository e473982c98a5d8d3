import { setTimeout as sleep } from 'node:timers/promises'
import { isCode } from '@spawnpoint/core'
import type { BlobSource, Gained, HeldBlob, LayerCache } from '../layer-cache.ts'
import type { Descriptor } from '../manifest.ts'

export interface FetchOptions {
  cache: LayerCache
  /** Milliseconds before a broken connection is made anew, doubled each time */
  pauseMs: number
  signal: AbortSignal
}

/** Times in a row that a broken connection is made anew, unless it brought this much */
const BLOB_ATTEMPTS = 6
const WORTH_ANOTHER_BYTES = 2 ** 20

/** Into the cache, over as many connections as it takes. */
export async function fetchBlob(
  blob: Descriptor,
  source: BlobSource,
  options: FetchOptions,
  tell: (bytes: number) => void,
): Promise<HeldBlob> {
  let there = 0
  let fetched = 0
  const gained: Gained = (bytes, already) => {
    there += bytes
    if (!already) fetched += bytes
    tell(bytes)
  }
  return again(
    async () => {
      // An attempt counts what an earlier one left.
      tell(-there)
      there = 0
      fetched = 0
      return options.cache.hold(blob, source, gained, options.signal)
    },
    BLOB_ATTEMPTS,
    options,
    () => fetched >= WORTH_ANOTHER_BYTES,
  )
}

/** Tries again what may be better another time; `gotOn` says that the last attempt was worth as many more. */
export async function again<T>(
  run: () => Promise<T>,
  attempts: number,
  { signal, pauseMs }: Pick<FetchOptions, 'signal' | 'pauseMs'>,
  gotOn = () => false,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await run()
    } catch (error) {
      signal.throwIfAborted()
      if (gotOn()) attempt = 1
      if (!isCode(error, 'unavailable') || attempt >= attempts) throw error
    }
    await sleep(pauseMs * 2 ** (attempt - 1), undefined, { signal })
  }
}
