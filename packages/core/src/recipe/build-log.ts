import { StringDecoder } from 'node:string_decoder'
import type { BuildLogEntry, ImageId } from '../model.ts'
import type { Work } from '../operations/runner.ts'
import type { ProcessOutput } from '../ports/index.ts'
import type { PlannedStep } from './plan.ts'

/** Bounds on what the programs of one build can have written down. */
const MAX_ENTRIES = 20_000
const MAX_CHARS = 8 * 2 ** 20
const MAX_LINE_CHARS = 8 * 1024
/** Milliseconds that a line waits at most for others to be written with */
const PATIENCE_MS = 300

type Told = Pick<PlannedStep, 'label' | 'title'> & { number?: number }

/** What a build did and printed, on its way to the ledger and to whoever follows the operation. */
export class BuildLog {
  readonly #work: Work<unknown>
  readonly #imageId: ImageId
  #pending: BuildLogEntry[] = []
  #entries = 0
  #chars = 0
  #timer: Disposable | null = null
  #writing: Promise<void> = Promise.resolve()

  constructor(work: Work<unknown>, imageId: ImageId) {
    this.#work = work
    this.#imageId = imageId
  }

  /** The step that was written of last */
  step: string | null = null

  /** A step, of which nothing is told where it has no label or its instruction was told of. */
  begun(step: Told): void {
    const { label, title } = step
    this.at = step.number === undefined ? null : { number: step.number }
    if (label !== '' && label !== this.#begun) this.add('info', label, title)
    this.#begun = label
  }

  /** One that an earlier build has run. */
  cached({ label, title }: Told): void {
    this.begun({ label, title: `cached: ${title}` })
  }

  /** The step that has begun, if it is one of its stage's */
  at: { number: number } | null = null
  #begun = ''

  /** As `write`, told to followers of the operation as well. */
  add(level: BuildLogEntry['level'], step: string | null, message: string): void {
    this.#work.report({ step: step ?? 'build', fraction: null, line: message.slice(0, MAX_LINE_CHARS) })
    this.write(level, step, message)
  }

  /** Beyond the bounds, what programs print is left out; errors are kept. */
  write(level: BuildLogEntry['level'], step: string | null, message: string): void {
    const { clock } = this.#work.parts
    const entry: BuildLogEntry = { at: clock.now(), level, step, message: message.slice(0, MAX_LINE_CHARS) }
    this.step = step
    const full = this.#entries >= MAX_ENTRIES || this.#chars >= MAX_CHARS
    if (full && level !== 'error') return
    this.#pending.push(entry)
    this.#entries += 1
    this.#chars += entry.message.length
    if (!full && (this.#entries === MAX_ENTRIES || this.#chars >= MAX_CHARS))
      this.#pending.push({ ...entry, level: 'warn', message: 'The log is full: what follows is left out' })
    this.#timer ??= clock.after(PATIENCE_MS, () => void this.flush())
  }

  /** Resolves when everything is in the ledger, or could not be written now and waits for the next time. */
  flush(): Promise<void> {
    this.#timer?.[Symbol.dispose]()
    this.#timer = null
    this.#writing = this.#writing.then(async () => {
      const entries = this.#pending
      if (entries.length === 0) return
      this.#pending = []
      const { ledger, log } = this.#work.parts
      try {
        await ledger.transact((tx) => tx.addBuildLog(this.#imageId, entries))
      } catch (error) {
        // A build is not lost for its log; if the answer alone was lost, lines come twice.
        this.#pending = [...entries, ...this.#pending]
        log.warn({ err: error, image: this.#imageId }, 'lines of a build log could not be written yet')
      }
    })
    return this.#writing
  }

  /** Ends its timer and gives what is not written yet, for the transaction that ends the build. */
  async close(): Promise<BuildLogEntry[]> {
    await this.flush()
    return this.#pending
  }
}

/** Cuts the output of a program into lines. Of what is written over with carriage returns the last remains. */
export class Lines {
  readonly #streams = new Map<string, { decoder: StringDecoder; rest: string }>()
  readonly #line: (stream: 'stdout' | 'stderr', line: string) => void

  constructor(line: (stream: 'stdout' | 'stderr', line: string) => void) {
    this.#line = line
  }

  take(item: ProcessOutput): void {
    if (item.type === 'gap') this.#line('stderr', `(${item.resumeAt - item.offset} bytes of output were lost)`)
    if (item.type !== 'data') return
    const name = item.stream === 'stderr' ? 'stderr' : 'stdout'
    const stream = this.#streams.get(name) ?? { decoder: new StringDecoder('utf8'), rest: '' }
    this.#streams.set(name, stream)
    const parts = (stream.rest + stream.decoder.write(item.data)).split('\n')
    stream.rest = parts.pop() ?? ''
    for (const part of parts) this.#line(name, shown(part))
    if (stream.rest.length > MAX_LINE_CHARS) {
      this.#line(name, shown(stream.rest))
      stream.rest = ''
    }
  }

  /** The output has ended. */
  end(): void {
    for (const [name, { decoder, rest }] of this.#streams) {
      const last = rest + decoder.end()
      if (last !== '') this.#line(name === 'stderr' ? 'stderr' : 'stdout', shown(last))
    }
    this.#streams.clear()
  }
}

function shown(line: string): string {
  return line.replace(/\r+$/, '').split('\r').at(-1) ?? ''
}
