export { HttpDownloads } from './downloads.ts'
export { DockerfileFrontEnd } from './reader.ts'
