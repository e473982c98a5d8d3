import { expect, it } from 'vitest'
import { InputQueue } from './input-queue.ts'

function queue() {
  const seen: string[] = []
  const source = { pause: () => void seen.push('pause'), resume: () => void seen.push('resume') }
  const input = new InputQueue(source, (thrown) => void seen.push(String(thrown)))
  return { seen, input }
}

it('stops the client while much of what it sent is under way, and lets it go on after', async () => {
  const { seen, input } = queue()
  const stuck = Promise.withResolvers<void>()
  const done = Promise.withResolvers<void>()
  input.add(200_000, () => stuck.promise)
  expect(seen).toEqual([])
  input.add(200_000, async () => done.resolve())
  expect(seen).toEqual(['pause'])
  stuck.resolve()
  await done.promise
  expect(seen).toEqual(['pause', 'resume'])
})

it('keeps the order, and goes on behind what fails', async () => {
  const { seen, input } = queue()
  const done = Promise.withResolvers<void>()
  input.add(1, () => Promise.reject('no'))
  input.add(1, async () => void seen.push('second'))
  input.add(1, async () => done.resolve())
  await done.promise
  expect(seen.filter((one) => one !== 'resume')).toEqual(['no', 'second'])
})
