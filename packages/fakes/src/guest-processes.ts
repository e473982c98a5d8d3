import type {
  AttachOptions,
  GuestProcesses,
  ListOptions,
  Output,
  ProcessExit,
  ProcessInfo,
  ProcessOutput,
  ProcessSpec,
  ProcessStream,
} from '@spawnpoint/core'
import { checkProcessSpec } from '@spawnpoint/core'
import type { GuestLink } from './guest-link.ts'
import type { ProcessState } from './machine-state.ts'
import type { Cursor, OutputBuffer } from './output-buffer.ts'
import { within } from './within-room.ts'

export class FakeGuestProcesses implements GuestProcesses {
  readonly #link: GuestLink

  constructor(link: GuestLink) {
    this.#link = link
  }

  start(spec: ProcessSpec): Promise<ProcessInfo> {
    return this.#link.call('processes.start', spec.args.join(' '), () => {
      checkProcessSpec(spec)
      return info(this.#link.machine.start(spec))
    })
  }

  startAndFollow(spec: ProcessSpec, signal?: AbortSignal): Promise<{ info: ProcessInfo; output: Output }> {
    return this.#link.call('processes.startAndFollow', spec.args.join(' '), () => {
      checkProcessSpec(spec)
      const process = this.#link.machine.start(spec)
      return { info: info(process), output: this.#follow(process, {}, signal) }
    })
  }

  follow(ref: string, options: AttachOptions): Promise<{ info: ProcessInfo; output: Output }> {
    return this.#link.call('processes.follow', ref, () => {
      const process = this.#link.machine.find(ref)
      const { from = {}, kept = false, signal } = options
      return { info: info(process), output: this.#follow(process, from, signal, kept) }
    })
  }

  writeStdin(ref: string, data: Buffer): Promise<void> {
    return this.#link.call('processes.writeStdin', ref, async () => {
      const process = this.#link.machine.find(ref)
      // A process whose output nobody takes does not read its input either: the pipe is full.
      await this.#link.until(() => !this.#link.machine.output(process).blocked || process.exit !== null)
      this.#link.machine.writeStdin(process, data)
    })
  }

  closeStdin(ref: string): Promise<void> {
    return this.#link.call('processes.closeStdin', ref, async () => {
      const process = this.#link.machine.find(ref)
      await this.#link.until(() => !this.#link.machine.output(process).blocked || process.exit !== null)
      this.#link.machine.closeStdin(process)
    })
  }

  signal(ref: string, signal: string | number, _toGroup: boolean): Promise<void> {
    return this.#link.call('processes.signal', `${ref} ${signal}`, () => {
      this.#link.machine.signal(this.#link.machine.find(ref), signal)
    })
  }

  resize(ref: string, size: { cols: number; rows: number }): Promise<void> {
    return this.#link.call('processes.resize', ref, () => {
      this.#link.machine.resize(this.#link.machine.find(ref), size)
    })
  }

  async list({ room }: ListOptions = {}): Promise<ProcessInfo[]> {
    return within(room, await this.#link.call('processes.list', '', () => this.#link.machine.processes.map(info)))
  }

  get(ref: string): Promise<ProcessInfo> {
    return this.#link.call('processes.get', ref, () => info(this.#link.machine.find(ref)))
  }

  wait(ref: string, signal?: AbortSignal): Promise<ProcessExit> {
    return this.#link.call('processes.wait', ref, async () => {
      const process = this.#link.machine.find(ref)
      await this.#link.until(() => process.exit !== null, signal)
      await this.#link.flowing(signal)
      return process.exit as ProcessExit
    })
  }

  /** The cursor is set at once, so that nothing written between the call and the first `next` is lost. */
  #follow(
    process: ProcessState,
    from: Partial<Record<ProcessStream, number>> | 'now',
    signal?: AbortSignal,
    kept = false,
  ): Output {
    const output = this.#link.machine.output(process)
    const cursor = output.follow(from)
    // A reader that never comes back for more must not hold the process for ever after it gave up.
    signal?.addEventListener('abort', () => output.unfollow(cursor), { once: true })
    const items = this.#read(process, cursor, signal, kept)
    return {
      [Symbol.asyncIterator]: () => items,
      arrived: () => {
        const all: ProcessOutput[] = []
        const { held, running } = this.#link.machine
        if (held || !running) return all
        for (let item = next(process, output, cursor); item !== null; item = next(process, output, cursor)) {
          all.push(item)
          if (item.type !== 'exit') continue
          // Never begun, it ends at once.
          void items.return(undefined)
          output.unfollow(cursor)
          break
        }
        return all
      },
    }
  }

  async *#read(
    process: ProcessState,
    cursor: Cursor,
    signal: AbortSignal | undefined,
    kept: boolean,
  ): AsyncGenerator<ProcessOutput, undefined> {
    const link = this.#link
    const output = link.machine.output(process)
    try {
      for (;;) {
        await link.flowing(signal)
        const item = next(process, output, cursor)
        if (item === null && kept) return
        if (item === null) await link.machine.changed.wait()
        else yield item
        if (item?.type === 'exit') return
      }
    } finally {
      output.unfollow(cursor)
    }
  }
}

/** What is there for a reader. */
function next(process: ProcessState, output: OutputBuffer, cursor: Cursor): ProcessOutput | null {
  const piece = output.take(cursor)
  if (piece === null) return process.exit && { type: 'exit', exit: process.exit }
  if ('gap' in piece) {
    return { type: 'gap', stream: piece.gap.stream, offset: piece.gap.offset, resumeAt: piece.resumeAt }
  }
  return { type: 'data', stream: piece.stream, offset: piece.offset, data: Buffer.from(piece.data) }
}

function info(process: ProcessState): ProcessInfo {
  return {
    id: process.id,
    pid: process.pid,
    args: [...process.args],
    env: { ...process.asked },
    cwd: process.cwd,
    user: process.user,
    tag: process.tag,
    pty: process.pty !== null,
    startedAt: process.startedAt,
    exit: process.exit,
  }
}
