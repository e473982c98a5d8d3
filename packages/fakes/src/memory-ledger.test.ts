import { ledgerContract } from '@spawnpoint/contracts/ledger'
import { MemoryLedger } from './memory-ledger.ts'

ledgerContract('memory', async () => {
  const ledger = new MemoryLedger()
  await ledger.open()
  return { ledger, [Symbol.asyncDispose]: () => ledger.close() }
})
