import type { Remote } from '../model.ts'

/** As it is kept. */
export type RemoteRequest = Remote
