import type { ProcessOutput } from '@spawnpoint/core'
import { expect, it } from 'vitest'
import { asFarAs, untilSilent } from './kept-output.ts'
import type { Pieces } from './pieces.ts'

const data = (offset: number, text: string): ProcessOutput => ({
  type: 'data',
  stream: 'stdout',
  offset,
  data: Buffer.from(text),
})

/** A stream of which this has arrived; it never ends by itself. */
function streamOf(there: ProcessOutput[]) {
  let closed = false
  const output: Pieces<ProcessOutput> = {
    async next() {
      const value = there.shift()
      if (value === undefined) throw new Error('waited for what may never come')
      return { done: false, value }
    },
    async return() {
      closed = true
      return { done: true, value: undefined }
    },
    arrived: () => there.splice(0),
    [Symbol.asyncIterator]: () => output,
    async [Symbol.asyncDispose]() {
      closed = true
    },
  }
  return { output, isClosed: () => closed }
}

it('ends where the streams ended, and lets go of the channel', async () => {
  const { output, isClosed } = streamOf([
    data(0, 'ab'),
    { type: 'gap', stream: 'stderr', offset: 0, resumeAt: 9 },
    data(2, 'c'),
  ])
  const ends = new Map([
    ['stdout', 3],
    ['stderr', 9],
  ] as const)
  expect(await Array.fromAsync(asFarAs(ends, output, {}))).toHaveLength(3)
  expect(isClosed()).toBe(true)
})

it.each([['now' as const], [{ stdout: 3 }]])('waits for nothing behind the end, from %j', async (from) => {
  const { output, isClosed } = streamOf([])
  expect(await Array.fromAsync(asFarAs(new Map([['stdout', 3]]), output, from))).toEqual([])
  expect(isClosed()).toBe(true)
})

it('asks an older agent until nothing more comes', async () => {
  const there = [data(0, 'a')]
  const { output, isClosed } = streamOf(there)
  const later = [[data(1, 'b')], [data(2, 'c')], []]
  const asked = async () => void there.push(...(later.shift() ?? []))
  const all = await Array.fromAsync(untilSilent(output, asked))
  expect(all.map((item) => item.type === 'data' && String(item.data))).toEqual(['a', 'b', 'c'])
  expect([later, isClosed()]).toEqual([[], true])
})
