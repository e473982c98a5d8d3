export * from './postgres-ledger.ts'
