export * from './blobs.ts'
export * from './ledger.ts'
export * from './pool.ts'
export * from './runtime.ts'
