import { afterAll, beforeAll, describe } from 'vitest'
import { accountsSuite } from './ledger/accounts.ts'
import { LedgerBench, type LedgerUnderTest } from './ledger/bench.ts'
import { eventsSuite } from './ledger/events.ts'
import { idempotencySuite } from './ledger/idempotency.ts'
import { listsSuite } from './ledger/lists.ts'
import { namesSuite } from './ledger/names.ts'
import { recordsSuite } from './ledger/records.ts'
import { registriesSuite } from './ledger/registries.ts'
import { retentionSuite } from './ledger/retention.ts'
import { secretsSuite } from './ledger/secrets.ts'
import { transactionsSuite } from './ledger/transactions.ts'
import { volumesSuite } from './ledger/volumes.ts'

export type { LedgerUnderTest } from './ledger/bench.ts'

/**
 * What every `Ledger` must do. The suite makes one ledger and gives each test a team of its own.
 *
 * Laws beyond the port's signatures:
 * - Reads outside a transaction never wait for one that is under way, and do not see its writes.
 * - Any string may stand in documents (`receipt`, `detail`, `data`, `env`, `defaults`, `failure`, `error`, a response):
 *   they carry what guests print. Names, labels, keys and other searchable strings with NUL or lone surrogates reject
 *   `invalid_argument`.
 * - An empty list in a filter matches nothing; empty labels match everything.
 * - At most one open operation per sandbox of the kinds `EXCLUSIVE_OPERATION_KINDS`; a second rejects
 *   `operation_in_progress`.
 * - An id that is none finds nothing.
 */
export function ledgerContract(name: string, make: () => Promise<LedgerUnderTest>): void {
  describe(`ledger contract: ${name}`, () => {
    const bench = new LedgerBench()
    beforeAll(() => bench.open(make))
    afterAll(() => bench[Symbol.asyncDispose]())

    recordsSuite(bench)
    listsSuite(bench)
    namesSuite(bench)
    registriesSuite(bench)
    secretsSuite(bench)
    volumesSuite(bench)
    transactionsSuite(bench)
    eventsSuite(bench)
    idempotencySuite(bench)
    retentionSuite(bench)
    accountsSuite(bench)
  })
}
