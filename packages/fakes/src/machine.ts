import { posix } from 'node:path'
import {
  type Census,
  type Env,
  type GuestIdentity,
  type ProcessSpec,
  type ProcessStream,
  SpawnpointError,
} from '@spawnpoint/core'
import { Bell } from './bell.ts'
import { FileTree } from './file-tree.ts'
import { FileView, guestError } from './file-view.ts'
import { censusOf, type MachineState, type MemoryCapture, type ProcessState, type TimerName } from './machine-state.ts'
import type { MountedTree } from './mounted-tree.ts'
import { newProcess } from './new-process.ts'
import { OutputBuffer } from './output-buffer.ts'
import { ProcessTimers } from './process-timers.ts'
import type { FakeProgram, ProgramIo } from './programs.ts'
import { IGNORED_BY_DEFAULT, SIGNALS, signalName } from './signals.ts'

/** Processes that ended stay known, the newest so many. */
const REMEMBERED_EXITS = 256

export interface ConnectionEnd {
  received(data: Uint8Array): void
  ended(): void
}

interface Live {
  output: OutputBuffer
  timers: ProcessTimers
}

/** Kernel and agent of one incarnation. Time inside it runs only while it is neither paused nor stopped for good. */
export class FakeMachine {
  readonly changed = new Bell()
  readonly files: FileView
  readonly #memoryFiles: FileTree
  readonly #mounts: readonly MountedTree[]
  readonly #programs: ReadonlyMap<string, FakeProgram>
  readonly #state: MachineState
  readonly #live = new Map<number, Live>()
  readonly #connections = new Map<number, ConnectionEnd>()
  #nextConnection = 1
  #running = true

  constructor(
    root: FileTree,
    programs: ReadonlyMap<string, FakeProgram>,
    capture: MemoryCapture | null,
    mounts: readonly MountedTree[] = [],
  ) {
    this.#programs = programs
    this.#memoryFiles = capture ? capture.memoryFiles.clone() : new FileTree()
    this.#mounts = mounts
    this.files = new FileView(root, this.#memoryFiles, mounts)
    this.#state = capture
      ? structuredClone(capture.state)
      : { identity: null, held: false, nextPid: 2, bootedAt: Date.now(), cpuMs: 0, processes: [], connections: [] }
    if (capture) this.#wake()
  }

  get identity(): GuestIdentity | null {
    return this.#state.identity
  }

  get held(): boolean {
    return this.#state.held
  }

  set held(held: boolean) {
    this.#state.held = held
    this.changed.ring()
  }

  get running(): boolean {
    return this.#running
  }

  get processes(): readonly ProcessState[] {
    return this.#state.processes
  }

  census(): Census {
    return censusOf(this.#state)
  }

  get cpuMs(): number {
    return this.#state.cpuMs
  }

  /** Programs inside have used so much more processor time. */
  spend(cpuMs: number): void {
    this.#state.cpuMs += cpuMs
  }

  /** Gives the machine its name; what `GuestIdentity` says about the first call on an incarnation. */
  identify(identity: GuestIdentity): void {
    const first = this.#state.identity === null
    this.#state.identity = structuredClone(identity)
    if (identity.tmpOnRoot) this.files.tmpOnRoot()
    // A capture was taken while held; the new identity is what a clone waits for before it talks.
    this.held = false
    this.files.write('/run/spawnpoint/generation', Buffer.from(`${identity.generation}\n`))
    const { startCommand, user } = identity.defaults
    if (first && startCommand.length > 0) {
      this.start({ id: 'start', args: startCommand, env: {}, user, stdin: false })
    }
  }

  setEnv(env: Env): void {
    const identity = this.#state.identity
    if (identity !== null) this.#state.identity = { ...identity, env: { ...env } }
  }

  setAuthority(authority: string): void {
    const identity = this.#state.identity
    if (identity !== null) this.#state.identity = { ...identity, authority }
  }

  find(ref: string): ProcessState {
    const pid = /^pid:(\d+)$/.exec(ref)?.[1]
    const found = this.#state.processes.find((process) =>
      pid === undefined ? process.id === ref : process.pid === Number(pid),
    )
    if (found) return found
    throw new SpawnpointError('process_not_found', `No such process: ${ref.slice(0, 80)}`, { ref: ref.slice(0, 80) })
  }

  output(process: ProcessState): OutputBuffer {
    return this.#liveOf(process).output
  }

  start(spec: ProcessSpec): ProcessState {
    const known = this.#state.processes.find((process) => process.id === spec.id)
    if (known) return known
    const identity = this.#state.identity
    const program = this.#programs.get(posix.basename(spec.args[0] ?? ''))
    if (!program) throw guestError('ENOENT', spec.args[0] ?? '', 'program')
    const alive = this.#state.processes.filter((process) => process.exit === null).length
    if (identity && alive >= identity.limits.maxProcesses) throw guestError('EAGAIN')
    const process = newProcess(spec, { pid: this.#state.nextPid, identity, files: this.files })
    this.#state.nextPid += 1
    this.#state.processes.push(process)
    this.#forgetOldExits()
    if (spec.timeoutMs !== undefined) this.#arm(process, 'timeout', spec.timeoutMs)
    this.#handle(process, (io) => program.start(io))
    if (!spec.stdin && !spec.pty) this.closeStdin(process)
    return process
  }

  writeStdin(process: ProcessState, data: Uint8Array): void {
    if (process.exit || process.ending || process.stdin === 'closed') throw guestError('EPIPE')
    if (process.pty) this.#write(process, 'stdout', data)
    this.#handle(process, (io, program) => program.input?.(io, data))
  }

  closeStdin(process: ProcessState): void {
    if (process.stdin === 'closed') return
    process.stdin = 'closed'
    if (process.exit || process.ending) return
    this.#handle(process, (io, program) => program.inputEnd?.(io))
  }

  resize(process: ProcessState, size: { cols: number; rows: number }): void {
    if (!process.pty) throw guestError('ENOTTY')
    process.pty = { ...size }
    if (process.exit === null) this.#handle(process, (io, program) => program.resize?.(io))
  }

  signal(process: ProcessState, signal: string | number): void {
    const name = signalName(signal)
    if (process.exit || process.ending) throw guestError('ESRCH')
    if (process.left !== null) {
      // The child dies of it, and nobody keeps the output open any more.
      const { code, signal: by } = process.left.exit
      if (name === 'SIGKILL' || name === 'SIGTERM') this.#end(process, code, by, false)
      return
    }
    if (name === 'SIGSTOP' || name === 'SIGCONT') {
      process.stopped = name === 'SIGSTOP'
      if (process.stopped) this.#freeze(process, ['program'])
      else this.#thaw(process)
      return
    }
    let taken = false
    if (name !== 'SIGKILL') {
      this.#handle(process, (io, program) => {
        taken = program.signal?.(io, name) ?? false
      })
    }
    if (!taken && !IGNORED_BY_DEFAULT.has(name)) this.#end(process, 128 + (SIGNALS[name] as number), name, false)
  }

  /** Connects to a listening program. */
  connect(port: number, end: ConnectionEnd): { send(data: Uint8Array): void; hangUp(): void } {
    const process = this.#state.processes.find((candidate) => candidate.exit === null && candidate.ports.includes(port))
    if (!process) throw new SpawnpointError('port_closed', `Nothing listens on port ${port}`, { port })
    const number = this.#nextConnection++
    this.#connections.set(number, end)
    this.#state.connections.push({ number, pid: process.pid })
    const open = () => this.#connections.has(number)
    return {
      send: (data) => {
        if (!open()) throw guestError('EPIPE')
        this.#handle(process, (io, program) => program.received?.(io, number, data))
      },
      hangUp: () => {
        if (open()) this.#handle(process, (io, program) => program.connectionEnded?.(io, number))
      },
    }
  }

  /** Stops time inside. Idempotent. */
  pause(): void {
    this.#running = false
    for (const process of this.#state.processes) this.#freeze(process)
    this.changed.ring()
  }

  resume(): void {
    this.#running = true
    for (const process of this.#state.processes) this.#thaw(process)
    this.changed.ring()
  }

  /** Preconditions: paused. */
  capture(): MemoryCapture {
    const state = structuredClone(this.#state)
    const buffered = state.processes.reduce((sum, process) => sum + OutputBuffer.bytes(process.output), 0)
    const sizeBytes = 2 ** 16 + this.#memoryFiles.usedBytes + buffered
    return { state, memoryFiles: this.#memoryFiles.clone(), volumes: this.#mounts.map(({ path }) => path), sizeBytes }
  }

  /** Ends everything inside without a word to anybody, as killing the kernel does. */
  stop(): void {
    this.pause()
    for (const end of this.#connections.values()) end.ended()
    this.#connections.clear()
  }

  /** Sets a captured state going: its timers run on, its connections are gone. */
  #wake(): void {
    this.resume()
    for (const process of this.#state.processes) this.settle(process)
    const { connections } = this.#state
    this.#state.connections = []
    for (const { number, pid } of connections) {
      const process = this.#state.processes.find((candidate) => candidate.pid === pid && candidate.exit === null)
      if (process) this.#handle(process, (io, program) => program.connectionEnded?.(io, number))
    }
    this.#nextConnection = 1 + Math.max(0, ...connections.map(({ number }) => number))
  }

  #handle(process: ProcessState, work: (io: ProgramIo, program: FakeProgram) => void): void {
    const program = this.#programs.get(posix.basename(process.args[0] ?? ''))
    if (!program || process.exit || process.ending || process.left) return
    this.#state.cpuMs += 1
    work(this.#io(process), program)
    this.changed.ring()
  }

  #io(process: ProcessState): ProgramIo {
    return {
      args: process.args,
      env: process.env,
      cwd: process.cwd,
      user: process.user,
      hostname: this.#state.identity?.hostname ?? 'localhost',
      pty: process.pty,
      files: this.files,
      get state() {
        return process.state
      },
      set state(state) {
        process.state = state
      },
      write: (stream, data) => this.#write(process, stream, data),
      after: (ms) => this.#arm(process, 'program', ms),
      listen: (port) => {
        const taken = this.#state.processes.some((other) => other.exit === null && other.ports.includes(port))
        if (taken) this.#write(process, 'stderr', `port ${port} is in use\n`)
        if (taken) this.#end(process, 1, null, false)
        else process.ports.push(port)
      },
      send: (connection, data) => this.#connections.get(connection)?.received(data),
      hangUp: (connection) => this.#disconnect(connection),
      exit: (code) => this.#end(process, code & 255, null, false),
      leave: (code, ms, lastWords) => {
        if (!process.untilOutputEnds) return this.#end(process, code & 255, null, false)
        const exit = { code: code & 255, signal: null, timedOut: false, at: new Date() }
        process.left = { exit, lastWords }
        this.#arm(process, 'program', ms)
      },
    }
  }

  #write(process: ProcessState, stream: 'stdout' | 'stderr', data: string | Uint8Array): void {
    if (process.exit || process.ending) return
    const into: ProcessStream = process.pty ? 'pty' : stream
    const bytes = Buffer.from(data as Uint8Array)
    // A terminal in its ordinary mode turns each newline into return and newline.
    const shown = process.pty ? Buffer.from(bytes.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1') : bytes
    this.#liveOf(process).output.write(into, shown)
  }

  #end(process: ProcessState, code: number, signal: string | null, timedOut: boolean): void {
    if (process.exit || process.ending) return
    this.#freeze(process)
    process.due = {}
    process.ports = []
    process.ending = { code, signal, timedOut, at: new Date() }
    for (const { number, pid } of this.#state.connections) if (pid === process.pid) this.#disconnect(number)
    this.settle(process)
    this.changed.ring()
  }

  /** Lets an ended process exit once its output is in the buffer; output blocked by a slow reader comes first. */
  settle(process: ProcessState): void {
    if (process.ending === null || this.#liveOf(process).output.blocked) return
    process.exit = process.ending
    process.ending = null
    this.changed.ring()
  }

  #disconnect(connection: number): void {
    this.#state.connections = this.#state.connections.filter(({ number }) => number !== connection)
    const end = this.#connections.get(connection)
    this.#connections.delete(connection)
    end?.ended()
  }

  #liveOf(process: ProcessState): Live {
    let live = this.#live.get(process.pid)
    if (!live) {
      const output = new OutputBuffer(process.output, () => {
        this.settle(process)
        this.#thaw(process)
        this.changed.ring()
      })
      live = { output, timers: new ProcessTimers(process, (name) => this.#fire(process, name)) }
      this.#live.set(process.pid, live)
    }
    return live
  }

  #arm(process: ProcessState, name: TimerName, ms: number): void {
    process.due[name] = Math.max(0, ms)
    this.#thaw(process)
  }

  /** A process whose output is blocked waits in its write. */
  #thaw(process: ProcessState): void {
    if (!this.#running || process.exit) return
    const { timers, output } = this.#liveOf(process)
    timers.thaw(process.stopped || output.blocked ? ['timeout'] : ['program', 'timeout'])
  }

  #freeze(process: ProcessState, names?: TimerName[]): void {
    this.#liveOf(process).timers.freeze(names)
  }

  #fire(process: ProcessState, name: TimerName): void {
    const { left } = process
    if (name === 'timeout') this.#end(process, left?.exit.code ?? 128 + 9, left === null ? 'SIGKILL' : null, true)
    else if (left !== null) {
      this.#write(process, 'stdout', left.lastWords)
      this.#end(process, left.exit.code, left.exit.signal, false)
    } else this.#handle(process, (io, program) => program.timer?.(io))
  }

  #forgetOldExits(): void {
    const ended = this.#state.processes.filter((process) => process.exit !== null)
    for (const process of ended.slice(0, Math.max(0, ended.length - REMEMBERED_EXITS))) {
      this.#state.processes.splice(this.#state.processes.indexOf(process), 1)
      this.#live.delete(process.pid)
    }
  }
}
