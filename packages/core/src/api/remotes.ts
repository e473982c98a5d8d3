import type { Remote } from '../model.ts'

export interface RemoteRequest extends Pick<Remote, 'name' | 'path' | 'source'> {
  /** Default `null` */
  refreshMs?: number | null | undefined
}
