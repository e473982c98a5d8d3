export { type BucketReaderOptions, openBucketReaders } from './buckets/bucket-reader.ts'
export { GitReader, type GitReaderOptions } from './git/git-reader.ts'
