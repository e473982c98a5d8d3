import type { DockerfileOrigin, DockerfilePlan, DockerfileStage, DockerfileStep, ImageDefaults } from '@spawnpoint/core'
import type { BuildArguments } from './arguments.ts'
import type { BuildContext } from './context.ts'
import type { Pack } from './copy.ts'
import type { Fetched } from './downloads.ts'
import { evaluate, SHOWN } from './evaluate.ts'
import { at, DockerfileError } from './failure.ts'
import type { Escape, Instruction } from './instructions.ts'
import { type StageState, stateAfter, stateOf, variablesOf } from './stage-state.ts'
import { originNamed, originOf, type Stage } from './stages.ts'
import { expandContent } from './words.ts'

export interface Planned {
  plan: DockerfilePlan
  /** Addresses that have to be looked at first, with their lines; the plan is none before that. */
  wanted: Map<string, number>
  packs: Map<string, Pack>
}

export interface ToPlan {
  /** All of the file */
  stages: readonly Stage[]
  /** Those that are built, in their order */
  needed: readonly Stage[]
  args: BuildArguments
  escapeChar: Escape
  context: BuildContext | null
  /** What is at addresses, by these */
  fetched: ReadonlyMap<string, Fetched>
  /** What the file is called in messages */
  file: string
}

/** Turns stages into steps, one instruction after the other. Throws `DockerfileError`. */
export function planStages(given: ToPlan, bases: ReadonlyMap<string, ImageDefaults>): Planned {
  const { stages, needed, args, escapeChar, context, fetched, file } = given
  const wanted = new Map<string, number>()
  const fetchedAt = (line: number, address: string) => {
    const known = fetched.get(address)
    if (known === undefined) wanted.set(address, line)
    return known ?? null
  }
  const packs = new Map<string, Pack>()
  const warnings: string[] = []
  const warn = (line: number, message: string) => warnings.push(`${file}:${line}: ${message}`)
  const states = new Map<number, StageState>()
  const placed = (origin: DockerfileOrigin | null): DockerfileOrigin | null =>
    origin === null || 'image' in origin ? origin : { stage: needed.findIndex(({ number }) => number === origin.stage) }
  const planned = needed.map((stage): DockerfileStage => {
    let state = beginning(stage, states, bases)
    const labels = labelsOf(stage, needed.length > 1)
    const steps: DockerfileStep[] = []
    for (const instruction of stage.instructions) {
      const label = labels.of(instruction)
      const before = state
      const text = ({ content }: { content: string }) =>
        at(instruction.line, () => expandContent(content, variablesOf(before), escapeChar))
      const copies = {
        context,
        originOf: (each: Instruction) => originOf(each, stages, stage),
        originNamed: (line: number, name: string) => originNamed(line, name, stages, stage),
        text,
        fetchedAt,
        packs,
      }
      const { steps: made, state: after } = evaluate(instruction, state, { escapeChar, args, copies, warn })
      state = after
      const { line, text: title } = instruction
      for (const { step, from } of made) steps.push({ step, from: placed(from), line, label, title })
    }
    states.set(stage.number, state)
    const { line, text: title } = stage.instruction
    return { from: placed(stage.from), line, label: labels.first, title, steps }
  })
  const last = states.get(needed.at(-1)?.number ?? -1)
  if (last === undefined) throw new DockerfileError(1, 'there is no FROM')
  const unused = args.unused
  if (unused.length > 0)
    warnings.push(`${file}: no ARG asks for the build arguments ${unused.join(', ').slice(0, 500)}`)
  const { entrypoint, command, exposedPorts, labels } = last
  const start = { startCommand: [...entrypoint, ...command], entrypoint, exposedPorts }
  return { plan: { stages: planned, blobs: [...packs.keys()], warnings, start, labels }, packs, wanted }
}

function beginning(
  { from }: Stage,
  states: ReadonlyMap<number, StageState>,
  bases: ReadonlyMap<string, ImageDefaults>,
): StageState {
  if (from === null) return stateOf(null)
  if ('image' in from) return stateOf(bases.get(from.image) ?? null)
  const before = states.get(from.stage)
  if (before === undefined) throw new Error(`stage ${from.stage} is not planned`)
  return stateAfter(before)
}

/** `[build 2/5]`, counted as Docker does: the beginning too, unless it is nothing. */
function labelsOf({ number, name, from, instructions }: Stage, several: boolean) {
  const prefix = several ? `${name ?? `stage-${number}`} ` : ''
  const extra = from === null ? 0 : 1
  const total = instructions.filter(({ keyword }) => SHOWN.has(keyword)).length + extra
  let count = extra
  return {
    first: from === null ? null : `[${prefix}1/${total}]`,
    of: ({ keyword }: Instruction): string | null => {
      if (!SHOWN.has(keyword)) return null
      count += 1
      return `[${prefix}${count}/${total}]`
    },
  }
}
