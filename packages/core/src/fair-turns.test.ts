import { expect, it } from 'vitest'
import { FairTurns } from './fair-turns.ts'

const never = new AbortController().signal

/** Takes turns for these in this order; tells who has had one so far, and ends them. */
async function taking(turns: FairTurns, parties: string[]) {
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
  const { settled, end } = await taking(new FairTurns({ atOnce: 2, perParty: 2 }), ['a', 'b', 'c', 'd'])
  expect(await settled()).toEqual(['a', 'b'])
  end(1)
  expect(await settled()).toEqual(['a', 'b', 'c'])
  end(1) // once is enough
  expect(await settled()).toEqual(['a', 'b', 'c'])
  end(0)
  expect(await settled()).toEqual(['a', 'b', 'c', 'd'])
})

it('one party has so many at most, and who has fewest comes first', async () => {
  const { settled, end } = await taking(new FairTurns({ atOnce: 4, perParty: 3 }), ['a', 'a', 'a', 'a', 'b', 'b', 'c'])
  expect(await settled()).toEqual(['a', 'a', 'a', 'b'])
  end(0)
  expect(await settled()).toEqual(['a', 'a', 'a', 'b', 'c'])
  end(1)
  expect(await settled()).toEqual(['a', 'a', 'a', 'b', 'c', 'a'])
  end(4)
  expect(await settled()).toEqual(['a', 'a', 'a', 'b', 'c', 'a', 'b'])
})

it('who waits no longer does not come, and keeps nobody', async () => {
  const turns = new FairTurns({ atOnce: 1, perParty: 1 })
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

it('what is heavy counts as several, is not overtaken by what came later, and may turn out to be light', async () => {
  const turns = new FairTurns({ atOnce: 10, perParty: 6 })
  const first = await turns.take('a', never, 6)
  const begun: string[] = []
  const take = (party: string, weight: number) =>
    turns.take(party, never, weight).then((turn) => {
      begun.push(`${party}${weight}`)
      return turn
    })
  const settled = async () => {
    for (let n = 0; n < 10; n += 1) await Promise.resolve()
    return [...begun]
  }
  void take('b', 5)
  void take('a', 1)
  void take('b', 1)
  void take('c', 1)
  // The one of `b` came before it.
  expect(await settled()).toEqual([])
  first.weigh(5)
  expect(await settled()).toEqual(['b5'])
  first.weigh(2)
  expect(await settled()).toEqual(['b5', 'c1', 'a1', 'b1'])
  expect(turns.taken).toBe(10)
  first[Symbol.dispose]()
  first[Symbol.dispose]()
  first.weigh(3)
  expect(turns.taken).toBe(8)
})

it('those behind one that waits no longer have their turn', async () => {
  const turns = new FairTurns({ atOnce: 3, perParty: 3 })
  using _ = await turns.take('a', never, 2)
  const gone = new AbortController()
  const heavy = turns.take('b', gone.signal, 3)
  const light = turns.take('c', never, 1)
  gone.abort(new Error('no patience'))
  await expect(heavy).rejects.toThrow('no patience')
  using _light = await light
})
