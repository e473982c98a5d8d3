import type { Output, ProcessOutput } from '@spawnpoint/core'

/** All that a process put out, if it has ended by now; else what there is to read, from its first item on. */
export function wholeOutput(
  output: Output,
): { whole: ProcessOutput[] } | { whole: null; output: AsyncIterable<ProcessOutput> } {
  const arrived = output.arrived?.() ?? []
  if (arrived.at(-1)?.type === 'exit') return { whole: arrived }
  return { whole: null, output: arrived.length === 0 ? output : behind(arrived, output) }
}

/** Reads on behind what has been taken; leaving it early leaves the output, also before it was begun. */
function behind(arrived: readonly ProcessOutput[], output: Output): AsyncIterable<ProcessOutput> {
  return {
    [Symbol.asyncIterator](): AsyncIterator<ProcessOutput> {
      const rest = output[Symbol.asyncIterator]()
      const first = arrived.values()
      return {
        next: async () => {
          const { done, value } = first.next()
          return done ? rest.next() : { done: false, value }
        },
        return: async () => {
          await rest.return?.()
          return { done: true, value: undefined }
        },
      }
    },
  }
}
