import type { Readable } from 'node:stream'
import {
  type DockerfileBuild,
  type DockerfileReader,
  type DockerfileSource,
  invalidArgument,
  notFound,
  SpawnpointError,
} from '@spawnpoint/core'
import { BuildArguments } from './arguments.ts'
import { BuildContext, MAX_TEXT_BYTES, type Source } from './context.ts'
import { archiveOf, type Pack, type Unpack } from './copy.ts'
import type { Downloads, Fetched } from './downloads.ts'
import { DockerfileError, refused } from './failure.ts'
import { parseInstructions } from './instructions.ts'
import { planStages } from './plan.ts'
import { neededFor, originsOf, type Stage, stagesOf, targetOf } from './stages.ts'

/** Reads Dockerfiles as BuildKit's front end does, as far as docs/images.md says. */
export class DockerfileFrontEnd implements DockerfileReader {
  readonly #unpack: Unpack | null
  readonly #downloads: Downloads | null

  /** `unpack` is for archives that ADD finds and no agent can read, `downloads` for the addresses that it names. */
  constructor(unpack: Unpack | null = null, downloads: Downloads | null = null) {
    this.#unpack = unpack
    this.#downloads = downloads
  }

  check(source: DockerfileSource): void {
    const { dockerfile } = source
    if (dockerfile !== undefined) parsed(fileOf(source), dockerfile, source)
  }

  async read(
    source: DockerfileSource,
    open: (key: string) => Promise<Readable>,
    { maxBytes }: { maxBytes: number },
  ): Promise<DockerfileBuild> {
    const file = fileOf(source)
    const context = await BuildContext.read(sourcesOf(source, open), file, maxBytes)
    const text = source.dockerfile ?? context?.text(file) ?? null
    if (text === null) throw invalidArgument('source.path', `there is no '${file}' in the build context`)
    const { stages, needed, args, escapeChar, images } = parsed(file, text, source)
    let packs: ReadonlyMap<string, Pack> = new Map()
    return {
      images,
      plan: async (bases, signal) => {
        const fetched = new Map<string, Fetched>()
        for (;;) {
          const given = { stages, needed, args, escapeChar, context, fetched, file }
          const made = told(file, () => planStages(given, bases))
          if (made.wanted.size === 0) {
            packs = made.packs
            return made.plan
          }
          for (const [address, line] of made.wanted)
            fetched.set(address, await this.#look(file, line, address, maxBytes, signal))
        }
      },
      pack: (blob) => {
        const pack = packs.get(blob)
        if (pack === undefined) throw notFound('blob', blob)
        return archiveOf(context, pack, { unpack: this.#unpack, downloads: this.#downloads })
      },
      excerpt: (line) => excerptOf(file, text, line),
    }
  }

  async #look(file: string, line: number, address: string, maxBytes: number, signal: AbortSignal): Promise<Fetched> {
    const downloads = this.#downloads
    if (downloads === null) throw refused(file, new DockerfileError(line, 'addresses are not asked on this server'))
    try {
      return await downloads.look(address, maxBytes, signal)
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof SpawnpointError) throw error
      throw refused(file, new DockerfileError(line, error instanceof Error ? error.message : String(error)))
    }
  }
}

function sourcesOf({ context = [], files = {} }: DockerfileSource, open: (key: string) => Promise<Readable>): Source[] {
  return [
    ...[context].flat().map((key) => ({ key, file: null, open: () => open(key) })),
    ...Object.entries(files).map(([file, key]) => ({ key, file, open: () => open(key) })),
  ]
}

function fileOf({ path = 'Dockerfile' }: DockerfileSource): string {
  return path
}

function parsed(file: string, text: string, { buildArgs = {}, target }: DockerfileSource) {
  if (Buffer.byteLength(text) > MAX_TEXT_BYTES)
    throw invalidArgument('source.dockerfile', `more than ${MAX_TEXT_BYTES} bytes`)
  return told(file, () => {
    const instructions = parseInstructions(text)
    const args = new BuildArguments(buildArgs, instructions.escapeChar)
    const stages = stagesOf(instructions, args)
    const needed = neededFor(stages, targetOf(stages, target))
    const images = new Map<string, number>()
    for (const stage of needed) {
      const named = (line: number, origin: Stage['from']) => {
        if (origin !== null && 'image' in origin && !images.has(origin.image)) images.set(origin.image, line)
      }
      named(stage.instruction.line, stage.from)
      for (const each of stage.instructions)
        for (const origin of originsOf(each, stages, stage)) named(each.line, origin)
    }
    const { escapeChar } = instructions
    return { stages, needed, args, escapeChar, images: [...images].map(([name, line]) => ({ name, line })) }
  })
}

function told<T>(file: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    throw error instanceof DockerfileError ? refused(file, error) : error
  }
}

/** The line and two before and after it, as Docker shows them. */
function excerptOf(file: string, text: string, line: number): string[] {
  const lines = text.split(/\r?\n/)
  const rule = '-'.repeat(20)
  const shown = lines.slice(Math.max(0, line - 3), line + 2).map((content, index) => {
    const number = Math.max(0, line - 3) + index + 1
    return `${String(number).padStart(4)} | ${number === line ? '>>>' : '   '} ${content}`.slice(0, 400).trimEnd()
  })
  return [`${file}:${line}`, rule, ...shown, rule]
}
