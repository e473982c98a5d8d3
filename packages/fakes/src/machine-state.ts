import type { Census, GuestIdentity, ProcessExit } from '@spawnpoint/core'
import type { FileTree } from './file-tree.ts'
import type { OutputState } from './output-buffer.ts'

export type TimerName = 'program' | 'timeout'

/** One process; plain data, so that `structuredClone` is the whole of a memory capture. */
export interface ProcessState {
  id: string
  pid: number
  args: string[]
  env: Record<string, string>
  /** The part of `env` that the request gave */
  asked: Record<string, string>
  cwd: string
  user: string
  tag: string | null
  pty: { cols: number; rows: number } | null
  startedAt: Date
  exit: ProcessExit | null
  /** Exit that waits until all output before it is in the buffer */
  ending: ProcessExit | null
  /** It has ended, but a child keeps its output open and will write this; only where the exit waits for that */
  left: { exit: ProcessExit; lastWords: string } | null
  untilOutputEnds: boolean
  stdin: 'open' | 'closed'
  stopped: boolean
  state: Record<string, unknown>
  ports: number[]
  output: OutputState
  /** Milliseconds of running time left until each timer is due */
  due: Partial<Record<TimerName, number>>
}

export interface MachineState {
  identity: GuestIdentity | null
  held: boolean
  nextPid: number
  bootedAt: number
  cpuMs: number
  processes: ProcessState[]
  /** Open connections by number, as the programs know them */
  connections: { number: number; pid: number }[]
}

/** Memory and processes of one instant: what `checkpoint` writes. */
export interface MemoryCapture {
  state: MachineState
  memoryFiles: FileTree
  /** Paths where volumes were mounted */
  volumes: string[]
  sizeBytes: number
}

/** Each process has a mebibyte for each of its arguments. */
export function censusOf({ processes, bootedAt }: MachineState): Census {
  const alive = processes.filter((process) => process.exit === null)
  return {
    at: new Date(),
    processes: alive.map(({ pid, args, user, startedAt }) => ({
      pid,
      parentPid: 1,
      user,
      command: args.join(' '),
      memoryBytes: args.length * 2 ** 20,
      startTicks: Math.floor((startedAt.getTime() - bootedAt) / 10),
    })),
    ports: alive.flatMap(({ pid, ports }) => ports.map((port) => ({ port, address: '0.0.0.0', pid }))),
    truncated: false,
  }
}
