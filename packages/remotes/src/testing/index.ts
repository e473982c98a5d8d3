export { type BucketAnswer, type BucketRequest, BucketServer } from './bucket-server.ts'
export { ConnectProxy } from './connect-proxy.ts'
export { type Answer, GitServer } from './git-server.ts'
export { selfSigned } from './self-signed.ts'
