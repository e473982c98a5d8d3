export { GitReader, type GitReaderOptions } from './git/git-reader.ts'
