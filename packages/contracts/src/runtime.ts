import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { archivesSuite } from './runtime/archives.ts'
import { Bench, type RuntimeUnderTest } from './runtime/bench.ts'
import { bootSuite } from './runtime/boot.ts'
import { checkpointSuite } from './runtime/checkpoint.ts'
import { filesSuite } from './runtime/files.ts'
import { holdSuite } from './runtime/hold.ts'
import { lifeSuite } from './runtime/life.ts'
import { portsSuite } from './runtime/ports.ts'
import { processesSuite } from './runtime/processes.ts'
import { volumesSuite } from './runtime/volumes.ts'

export type { RuntimeTraits, RuntimeUnderTest } from './runtime/bench.ts'
export { type Programs, realPrograms } from './runtime/programs.ts'

/**
 * What every `Runtime`, and the `Guest`s it gives, must do on roots of a `Pool`. The suite makes one of each; tests that
 * do no harm to an incarnation share one.
 *
 * Laws beyond the ports' signatures:
 * - An incarnation id runs once: starting it again rejects `runtime_failed` and does no harm to the first.
 * - Calls for an incarnation that is not there reject `stale_incarnation`, but `kill` succeeds.
 * - `checkpoint` into a directory that is not empty rejects `runtime_failed`.
 * - A restored incarnation runs at once and is not held; the restored processes have the same ids and pids, and what they
 *   had printed.
 * - A hold outlives the server: `attach` reaches the guest, `release` ends the hold.
 * - `identify` leaves the generation in `/run/spawnpoint/generation` and, on a cold boot, starts the start command.
 * - Terminals echo; output of a process with a terminal is in `pty` alone.
 */
export function runtimeContract(name: string, make: () => Promise<RuntimeUnderTest>): void {
  describe(`runtime contract: ${name}`, () => {
    let subject: RuntimeUnderTest | undefined
    let made: Bench | undefined
    beforeAll(async () => {
      subject = await make()
      made = new Bench(subject)
      // Making an image may take as long as unpacking one.
    }, 60_000)
    afterAll(async () => {
      await made?.clear()
      await subject?.[Symbol.asyncDispose]()
    }, 60_000)
    const bench = () => {
      if (!made) throw new Error('the factory did not finish')
      return made
    }

    bootSuite(bench)
    processesSuite(bench)
    filesSuite(bench)
    archivesSuite(bench)
    portsSuite(bench)
    holdSuite(bench)
    checkpointSuite(bench)
    volumesSuite(bench)
    lifeSuite(bench)

    it('leaves no incarnation behind that its tests ended', async () => {
      await bench().clear()
      expect(await bench().runtime.list()).toEqual([])
    })
  })
}
