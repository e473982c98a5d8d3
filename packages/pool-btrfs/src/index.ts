export { BtrfsPool } from './btrfs-pool.ts'
export type { BtrfsPoolOptions } from './options.ts'
