export * from './ledger.ts'
export * from './pool.ts'
