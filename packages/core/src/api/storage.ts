import type { Principal } from '../api.ts'
import type { TeamStorage } from '../model.ts'

export interface StorageApi {
  /** As last measured; `null` before that was first done, some minutes after the team has something. */
  get(by: Principal): Promise<TeamStorage | null>
}
