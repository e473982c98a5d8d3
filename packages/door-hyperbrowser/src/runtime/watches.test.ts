import type { FileEvent } from '@spawnpoint/core'
import { expect, it } from 'vitest'
import { Watch } from './watches.ts'

it('a watch tells all who follow it, those too who came before others, until it is stopped', async () => {
  const events: ((event: FileEvent) => void)[] = []
  async function* changes(): AsyncGenerator<FileEvent> {
    for (;;) yield await new Promise<FileEvent>((resolve) => void events.push(resolve))
  }
  const watch = new Watch('s', '/dir', false)
  const reading = watch.read(changes())
  const seen: string[][] = [[], []]
  const followed = seen.map(async (into) => {
    for await (const { op, path } of watch.follow(0, new AbortController().signal)) into.push(`${op} ${path}`)
  })
  const happens = async (path: string) => {
    await expect.poll(() => events.length).toBe(1)
    events.pop()?.({ type: 'created', path } as FileEvent)
    await expect.poll(() => seen.map((one) => one.at(-1))).toEqual([`create ${path}`, `create ${path}`])
  }
  await happens('one')
  await happens('two')
  watch.stop()
  await Promise.all(followed)
  expect(seen).toEqual([
    ['create one', 'create two'],
    ['create one', 'create two'],
  ])
  events.pop()?.({ type: 'created', path: 'three' } as FileEvent)
  void reading
})

it('who is too slow for a watch is told that events are gone', async () => {
  const watch = new Watch('s', '/dir', false)
  const { signal } = new AbortController()
  async function* many(): AsyncGenerator<FileEvent> {
    for (let n = 0; n < 10_003; n++) yield { type: 'created', path: `${n}` } as FileEvent
  }
  await watch.read(many())
  const from = async (cursor: number) => (await watch.follow(cursor, signal).next()).value?.seq
  // Who names no event takes what there is.
  expect([await from(0), await from(3)]).toEqual([4, 4])
  expect(await from(99_999)).toBe(undefined)
  await expect(from(2)).rejects.toMatchObject({ code: 'cursor_expired' })
})
