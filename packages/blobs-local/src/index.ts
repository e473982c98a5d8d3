export * from './local-blobs.ts'
