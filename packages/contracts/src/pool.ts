import { afterAll, beforeAll, describe } from 'vitest'
import { PoolBench, type PoolUnderTest } from './pool/bench.ts'
import { imagesSuite } from './pool/images.ts'
import { rootsSuite } from './pool/roots.ts'
import { snapshotsSuite } from './pool/snapshots.ts'
import { storeSuite } from './pool/store.ts'

export type { PoolUnderTest } from './pool/bench.ts'

/**
 * What every `Pool` must do. The suite makes one store and gives each test ids of its own.
 *
 * Laws beyond the port's signatures:
 * - An id is used once: creating or staging it again rejects `runtime_failed` and changes nothing.
 * - Unknown sources and targets reject `not_found`; deleting what is not there succeeds.
 * - A clone or a snapshot needs nothing of where it came from: that may be deleted.
 * - A capture made again before publishing replaces the first.
 */
export function poolContract(name: string, make: () => Promise<PoolUnderTest>): void {
  describe(`pool contract: ${name}`, () => {
    const bench = new PoolBench()
    let subject: PoolUnderTest | undefined
    beforeAll(async () => {
      subject = await make()
      bench.subject = subject
    })
    afterAll(async () => {
      await subject?.[Symbol.asyncDispose]()
    })

    imagesSuite(bench)
    rootsSuite(bench)
    snapshotsSuite(bench)
    storeSuite(bench)
  })
}
