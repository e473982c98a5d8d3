export { GvisorRuntime } from './gvisor-runtime.ts'
export type { Log } from './log.ts'
export { hostResolvers } from './network/resolvers.ts'
export type { GvisorOptions, OpenGuest } from './options.ts'
