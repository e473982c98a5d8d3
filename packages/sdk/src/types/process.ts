export type OutputStream = 'stdout' | 'stderr' | 'pty'

export interface ProcessInfo {
  id: string
  pid: number
  args: string[]
  cwd: string
  user: string
  tag: string | null
  pty: boolean
  startedAt: Date
  exit: ProcessExit | null
}

export interface ProcessExit {
  /** Exit code; 128 + signal number when a signal ended it */
  code: number
  /** Signal name such as `SIGKILL`, else `null` */
  signal: string | null
  timedOut: boolean
  at: Date
}

/** One piece of output. `offset` is the position of its first byte in that stream since the process began. */
export type ProcessOutput =
  | { type: 'data'; stream: OutputStream; offset: number; data: Uint8Array }
  /** Bytes from `offset` to `resumeAt` were no longer kept when they were asked for */
  | { type: 'gap'; stream: OutputStream; offset: number; resumeAt: number }
