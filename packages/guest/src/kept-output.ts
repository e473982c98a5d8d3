import type { ProcessOutput, ProcessStream } from '@spawnpoint/core'
import type { Pieces } from './pieces.ts'

/** Output as far as these ends, which were those of the streams when the reader came. */
export async function* asFarAs(
  ends: ReadonlyMap<ProcessStream, number>,
  output: Pieces<ProcessOutput>,
  from: Partial<Record<ProcessStream, number>> | 'now',
): AsyncGenerator<ProcessOutput, undefined> {
  const missing = new Map(from === 'now' ? [] : [...ends].filter(([stream, end]) => end > (from[stream] ?? 0)))
  try {
    while (missing.size > 0) {
      const { done, value } = await output.next()
      if (done) return
      yield value
      if (value.type === 'exit') return
      const position = value.type === 'gap' ? value.resumeAt : value.offset + value.data.length
      if (position >= (missing.get(value.stream) ?? Number.POSITIVE_INFINITY)) missing.delete(value.stream)
    }
  } finally {
    await output.return?.()
  }
}

/**
 * The same where the agent, frozen in an older snapshot, does not tell the ends: answers come behind what was sent before
 * them, so when nothing came before that of a later call, there was nothing more.
 */
export async function* untilSilent(
  output: Pieces<ProcessOutput>,
  later: () => Promise<unknown>,
): AsyncGenerator<ProcessOutput, undefined> {
  try {
    for (;;) {
      let there = output.arrived()
      if (there.length === 0) {
        await later()
        there = output.arrived()
      }
      if (there.length === 0) return
      for (const item of there) {
        yield item
        if (item.type === 'exit') return
      }
    }
  } finally {
    await output.return?.()
  }
}
