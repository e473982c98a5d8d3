/** What the API speaks of. Times are `Date`s here and ISO 8601 text on the wire. */

export type * from './types/common.ts'
export type * from './types/file.ts'
export type * from './types/image.ts'
export type * from './types/name.ts'
export type * from './types/operation.ts'
export type * from './types/process.ts'
export type * from './types/registry.ts'
export type * from './types/sandbox.ts'
export type * from './types/schedule.ts'
export type * from './types/server.ts'
export type * from './types/snapshot.ts'
export type * from './types/team.ts'
