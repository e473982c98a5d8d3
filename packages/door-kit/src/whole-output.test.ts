import type { Output, ProcessOutput } from '@spawnpoint/core'
import { expect, it } from 'vitest'
import { collectOutput } from './collect-output.ts'
import { wholeOutput } from './whole-output.ts'

const exit: ProcessOutput = { type: 'exit', exit: { code: 0, signal: null, timedOut: false, at: new Date(0) } }
const data = (text: string, offset: number): ProcessOutput => ({
  type: 'data',
  stream: 'stdout',
  offset,
  data: Buffer.from(text),
})

/** Some of it is there, the rest comes; tells whether it was let go. */
function outputOf(there: ProcessOutput[], rest: ProcessOutput[]): Output & { left: boolean } {
  const later = rest.values()
  const output = {
    left: false,
    arrived: () => there.splice(0),
    [Symbol.asyncIterator]: () => ({
      next: async () => later.next() as IteratorResult<ProcessOutput>,
      return: async () => {
        output.left = true
        return { done: true as const, value: undefined }
      },
    }),
  }
  return output
}

async function all(output: AsyncIterable<ProcessOutput>): Promise<ProcessOutput[]> {
  const items: ProcessOutput[] = []
  for await (const item of output) items.push(item)
  return items
}

it('is there at once when the process has ended', () => {
  expect(wholeOutput(outputOf([data('x', 0), exit], []))).toEqual({ whole: [data('x', 0), exit] })
})

it('is read in order behind what is there', async () => {
  const now = wholeOutput(outputOf([data('a', 0)], [data('b', 1), exit]))
  if (now.whole !== null) throw new Error('it has not ended')
  expect(await all(now.output)).toEqual([data('a', 0), data('b', 1), exit])
})

it('lets go of what nobody reads to its end', async () => {
  const output = outputOf([data('a', 0)], [data('b', 1), exit])
  const now = wholeOutput(output)
  if (now.whole !== null) throw new Error('it has not ended')
  for await (const item of now.output) {
    expect(item).toEqual(data('a', 0))
    break
  }
  expect(output.left).toBe(true)
})

it.each([0, 1, 2, 3])('is collected the same, %i items of it there', async (there) => {
  const items = [data('a', 0), data('b', 1), exit]
  const output = outputOf(items.slice(0, there), items.slice(there))
  expect(await collectOutput(output, 'x', { signal: new AbortController().signal })).toMatchObject({ stdout: 'ab' })
})
