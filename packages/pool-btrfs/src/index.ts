export { BtrfsPool, type BtrfsPoolOptions } from './btrfs-pool.ts'
