import { ledgerContract } from '@spawnpoint/contracts/ledger'
import { embeddedLedger } from './testing/scratch.ts'

ledgerContract('embedded PostgreSQL', embeddedLedger)
