/** What one runsc binary can do on this kernel; found out by asking it, see `probe.ts`. */
export interface Capabilities {
  /** First line of `runsc --version`, and the digest where that line does not tell builds apart */
  version: string
  /** Names of its global flags */
  flags: string[]
  checkpointFlags: string[]
  restoreFlags: string[]
  /** /proc/sys/net must be covered while it sets up a network */
  coverSysNet: boolean
  capturesDeletedFiles: boolean
  keepsConnections: boolean
  /** Its kernels obey on their control socket, in the way we know: see `SocketControl` */
  takesOrders: boolean
  idleIsFree: boolean
}
