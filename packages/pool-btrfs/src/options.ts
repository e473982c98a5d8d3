import type { QuotaMode } from './quotas.ts'

export interface BtrfsPoolOptions {
  /** Where `pool/` is, and `pool.img` unless this directory is on btrfs itself */
  dataDir: string
  log: {
    info(fields: object, message: string): void
    warn(fields: object, message: string): void
    error(fields: object, message: string): void
  }
  /** Size of a new `pool.img` in bytes, rounded down to GiB, at least 8 GiB; default 80 % of what is free */
  poolBytes?: number
  /** The guest agent's binary, which reads trees on the host as well; without it `trees` rejects `unavailable` */
  reader?: string
  /** How space is accounted for in a new pool; default `simple` where kernel and pool can, see docs/decisions/0030 */
  quotas?: QuotaMode
  /** Called at each named point between two steps; a crash test ends the process there. */
  failpoint?: (name: string) => void
}
