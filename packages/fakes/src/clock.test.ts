import { expect, it } from 'vitest'
import { FakeClock } from './clock.ts'

it('fires what is due in order, also what was set meanwhile, and nothing that was disposed of', () => {
  const clock = new FakeClock(new Date(0))
  const fired: string[] = []
  const note = (name: string) => () => fired.push(`${name} at ${clock.now().getTime()}`)
  clock.after(30, note('late'))
  clock.after(10, () => {
    note('early')()
    clock.after(5, note('meanwhile'))
  })
  clock.after(20, note('never'))[Symbol.dispose]()
  clock.advance(25)
  expect(fired).toEqual(['early at 10', 'meanwhile at 15'])
  expect(clock.now()).toEqual(new Date(25))
  clock.advance(5)
  expect(fired).toHaveLength(3)
  expect(clock.waiting).toBe(0)
})
