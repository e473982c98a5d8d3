import { afterAll, expect, vi } from 'vitest'

/**
 * Unit tests of several files share a process, one after another: a file puts back what it changes of it, or the next would
 * pass or fail for that.
 */
const state = (): Map<string, unknown> =>
  new Map<string, unknown>([
    ['fake timers', vi.isFakeTimers()],
    ['working directory', process.cwd()],
    ['umask', process.umask()],
    ...Object.entries(process.env).map(([name, value]): [string, unknown] => [`variable ${name}`, value]),
    ...Object.getOwnPropertyNames(globalThis)
      // What a library keeps there when it is loaded
      .filter((name) => !name.startsWith('__'))
      .map((name): [string, unknown] => [`global ${name}`, held(name)]),
    ...process
      .eventNames()
      .map((name): [string, unknown] => [`listeners of ${String(name)}`, process.listenerCount(name)]),
  ])

/** Not by asking for it where that would make it: some come with their first use. */
function held(name: string): unknown {
  return Object.getOwnPropertyDescriptor(globalThis, name)?.value
}

const before = state()

// Hooks run in the opposite order: this one after those of the file.
afterAll(() => {
  const after = state()
  const changed = [...new Set([...before.keys(), ...after.keys()])].filter(
    (of) => !Object.is(before.get(of), after.get(of)),
  )
  expect(changed, 'what this file has changed for those after it').toEqual([])
})
