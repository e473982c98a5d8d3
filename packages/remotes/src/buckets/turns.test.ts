import { expect, it } from 'vitest'
import { Turns } from './turns.ts'

const never = new AbortController().signal

/** Takes turns for these in this order; tells who has had one so far, and ends them. */
async function taking(turns: Turns, parties: string[]) {
  const begun: string[] = []
  const held = new Map<number, Disposable>()
  for (const [at, party] of parties.entries())
    void turns.take(party, never).then((turn) => {
      begun.push(party)
      held.set(at, turn)
    })
  const settled = async () => {
    for (let n = 0; n < 10; n += 1) await Promise.resolve()
    return [...begun]
  }
  const end = (at: number) => held.get(at)?.[Symbol.dispose]()
  return { settled, end }
}

it('so many have their turn at a time, in the order of coming', async () => {
  const { settled, end } = await taking(new Turns({ atOnce: 2, perParty: 2 }), ['a', 'b', 'c', 'd'])
  expect(await settled()).toEqual(['a', 'b'])
  end(1)
  expect(await settled()).toEqual(['a', 'b', 'c'])
  end(1) // once is enough
  expect(await settled()).toEqual(['a', 'b', 'c'])
  end(0)
  expect(await settled()).toEqual(['a', 'b', 'c', 'd'])
})

it('one party has so many at most, and who has fewest comes first', async () => {
  const { settled, end } = await taking(new Turns({ atOnce: 4, perParty: 3 }), ['a', 'a', 'a', 'a', 'b', 'b', 'c'])
  expect(await settled()).toEqual(['a', 'a', 'a', 'b'])
  end(0)
  expect(await settled()).toEqual(['a', 'a', 'a', 'b', 'c'])
  end(1)
  expect(await settled()).toEqual(['a', 'a', 'a', 'b', 'c', 'a'])
  end(4)
  expect(await settled()).toEqual(['a', 'a', 'a', 'b', 'c', 'a', 'b'])
})

it('who waits no longer does not come, and keeps nobody', async () => {
  const turns = new Turns({ atOnce: 1, perParty: 1 })
  const first = await turns.take('a', never)
  const gone = new AbortController()
  const second = turns.take('b', gone.signal)
  const third = turns.take('c', never)
  gone.abort(new Error('no patience'))
  await expect(second).rejects.toThrow('no patience')
  await expect(turns.take('d', gone.signal)).rejects.toThrow('no patience')
  first[Symbol.dispose]()
  using _ = await third
})
