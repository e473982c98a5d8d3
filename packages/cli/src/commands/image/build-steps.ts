import { setTimeout as pause } from 'node:timers/promises'
import type { BuildImage, BuildLogEntry, Image } from 'spawnpoint'
import type { Cli } from '../../cli.ts'
import { toldWhenInterrupted } from '../../left-running.ts'
import { type Paint, painter, wantsColor } from '../../output/colors.ts'
import { printable } from '../../output/printable.ts'
import { formatBytes, formatDuration } from '../../output/units.ts'

/** Milliseconds between two looks at the log of a build. */
const LOOK_MS = 300

/** Builds, and tells on stderr of the steps as they come. */
export async function buildInSteps(cli: Cli, request: BuildImage): Promise<void> {
  const startedAt = performance.now()
  const steps = new BuildSteps(cli)
  let id: string | null = null
  let offset = 0
  const look = async () => {
    if (id === null) return
    for await (const entry of cli.client.images.log(id, { offset })) {
      offset += 1
      await steps.tell(entry)
    }
  }
  const work = toldWhenInterrupted()
  const ended = new AbortController()
  const building = cli.client.images
    .build(request, {
      onProgress: ({ operation }) => {
        work(operation)
        id = operation.imageId
      },
    })
    .finally(() => ended.abort())
  building.catch(() => {}) // awaited below
  while (!ended.signal.aborted) {
    await pause(LOOK_MS, undefined, { signal: ended.signal }).catch(() => {}) // it has ended: look once more
    await look()
  }
  await look()
  const image = await building
  await summary(cli, image, performance.now() - startedAt)
}

async function summary(cli: Cli, image: Image, tookMs: number): Promise<void> {
  const what = image.tags.join(' ') || image.name
  await cli.note(`Built ${what}, ${formatBytes(image.sizeBytes)}, in ${formatDuration(tookMs)}`)
  await cli.print(image, () => `${image.id}\n`)
}

const CACHED = 'cached: '

/** The log of a Dockerfile, or of a recipe, as people know it: `[2/5] RUN …`, what the step prints, and how long it took. */
export class BuildSteps {
  readonly #cli: Pick<Cli, 'note'>
  readonly #paint: Paint
  #step: string | null = null
  #begunAt: Date | null = null
  #failure: string | null = null

  constructor(cli: Pick<Cli, 'note' | 'json'>) {
    this.#cli = cli
    this.#paint = painter(!cli.json && wantsColor(process.stderr, process.env))
  }

  async tell({ step: said, message, level, at }: BuildLogEntry): Promise<void> {
    // Steps of a recipe have numbers alone.
    const step = said !== null && /^\d+$/.test(said) ? `[${said}]` : said
    const line = printable(message)
    if (this.#failure !== null) await this.#cli.note(this.#paint('red', this.#failure))
    this.#failure = null
    if (level === 'error') {
      // The last of them is the error itself, which whoever ran the command is told anyway.
      this.#failure = line
      this.#begunAt = null
      return
    }
    if (step === null || !step.startsWith('[')) {
      if (step === null) await this.#end(at)
      if (step !== null || level === 'warn') await this.#cli.note(line)
    } else if (step === this.#step) await this.#cli.note(`  ${line}`)
    else {
      // The first line of a step is its instruction.
      await this.#end(at)
      this.#step = step
      const cached = line.startsWith(CACHED)
      this.#begunAt = cached ? null : at
      if (cached) await this.#cli.note(`${this.#paint('dim', 'CACHED')} ${step} ${line.slice(CACHED.length)}`)
      else await this.#cli.note(this.#paint('bold', `${step} ${line}`))
    }
  }

  /** What comes next in the log says when the step was over. */
  async #end(at: Date): Promise<void> {
    if (this.#begunAt === null) return
    const took = formatDuration(at.getTime() - this.#begunAt.getTime())
    this.#begunAt = null
    await this.#cli.note(this.#paint('dim', `  DONE ${took}`))
  }
}
