import type { DockerfileOrigin } from '@spawnpoint/core'
import { ARCHITECTURE, type BuildArguments, expandAt } from './arguments.ts'
import { KNOWN } from './evaluate.ts'
import { DockerfileError } from './failure.ts'
import type { Instruction, ParsedFile } from './instructions.ts'
import { mountFrom } from './run-mounts.ts'

export interface Stage {
  /** Its place in the file, counted from 0 */
  number: number
  name: string | null
  /** `null` for scratch; the stage is a number in the file */
  from: DockerfileOrigin | null
  instruction: Instruction
  instructions: Instruction[]
}

const NAME = /^[a-z][a-z0-9-_.]*$/

/** Splits a file into its stages and finds out what each begins with. */
export function stagesOf({ instructions, escapeChar }: ParsedFile, args: BuildArguments): Stage[] {
  const stages: Stage[] = []
  for (const instruction of instructions) {
    const current = stages.at(-1)
    if (instruction.keyword !== 'FROM' && !KNOWN.has(instruction.keyword))
      throw new DockerfileError(instruction.line, `unknown instruction: ${instruction.keyword.slice(0, 64)}`)
    if (instruction.keyword === 'FROM') stages.push(stageOf(instruction, stages, args, escapeChar))
    else if (current !== undefined) current.instructions.push(instruction)
    else if (instruction.keyword === 'ARG') args.declareGlobal(instruction)
    else throw new DockerfileError(instruction.line, `${instruction.keyword} before FROM: only ARG may stand there`)
  }
  if (stages.length === 0) throw new DockerfileError(1, 'there is no FROM')
  return stages
}

function stageOf(
  instruction: Instruction,
  before: Stage[],
  args: BuildArguments,
  escapeChar: ParsedFile['escapeChar'],
): Stage {
  const { line, rest, flags } = instruction
  for (const [name, value] of flags) {
    if (name !== 'platform') throw new DockerfileError(line, `FROM knows no --${name}`)
    const platform = expandAt(line, value ?? '', args.inFrom, escapeChar)
    if (![`linux/${ARCHITECTURE}`, 'linux', ''].includes(platform))
      throw new DockerfileError(line, `images for ${platform} do not run here; linux/${ARCHITECTURE} do`)
  }
  const [image = '', as, named, ...more] = rest.split(/\s+/).filter((word) => word !== '')
  const name = named?.toLowerCase() ?? null
  if (image === '' || more.length > 0 || (as !== undefined && (as.toUpperCase() !== 'AS' || name === null)))
    throw new DockerfileError(line, 'FROM is written FROM IMAGE [AS NAME]')
  if (name !== null && !NAME.test(name)) throw new DockerfileError(line, `not a name for a stage: ${name.slice(0, 80)}`)
  if (name !== null && before.some((stage) => stage.name === name))
    throw new DockerfileError(line, `there is a stage '${name}' already`)
  const base = expandAt(line, image, args.inFrom, escapeChar)
  if (base === '') throw new DockerfileError(line, `'${image}' is empty: an ARG before the first FROM has no value`)
  const stage = before.findLast((each) => each.name === base.toLowerCase())
  const from = base === 'scratch' ? null : stage === undefined ? { image: base } : { stage: stage.number }
  return { number: before.length, name, from, instruction, instructions: [] }
}

/** The stage that is asked for, by name or number. */
export function targetOf(stages: readonly Stage[], target: string | undefined): Stage {
  const last = stages.at(-1)
  if (last === undefined) throw new DockerfileError(1, 'there is no FROM')
  if (target === undefined || target === '') return last
  const found =
    stages.findLast(({ name }) => name === target.toLowerCase()) ??
    (/^\d{1,4}$/.test(target) ? stages[Number(target)] : undefined)
  if (found === undefined) throw new DockerfileError(last.instruction.line, `there is no stage '${target}'`)
  return found
}

/** What `--from` names, if there is one. */
export function originOf(instruction: Instruction, stages: readonly Stage[], here: Stage): DockerfileOrigin | null {
  const flag = instruction.flags.find(([name]) => name === 'from')
  if (flag === undefined) return null
  const [, from] = flag
  return originNamed(instruction.line, from ?? '', stages, here)
}

/** Everything that an instruction takes files from, but the context. */
export function originsOf(instruction: Instruction, stages: readonly Stage[], here: Stage): DockerfileOrigin[] {
  const copied = originOf(instruction, stages, here)
  const mounted = instruction.flags.flatMap(([name, value]) => {
    const from = name === 'mount' ? mountFrom(value) : null
    return from === null ? [] : [originNamed(instruction.line, from, stages, here)]
  })
  return copied === null ? mounted : [copied, ...mounted]
}

/** An earlier stage, by name or number, or else an image. */
export function originNamed(line: number, from: string, stages: readonly Stage[], here: Stage): DockerfileOrigin {
  if (from === '') throw new DockerfileError(line, '--from names nothing')
  const before = stages.slice(0, here.number)
  const stage =
    before.findLast(({ name }) => name === from.toLowerCase()) ?? before[/^\d{1,4}$/.test(from) ? Number(from) : -1]
  if (stage !== undefined) return { stage: stage.number }
  if (/^\d+$/.test(from)) throw new DockerfileError(line, `there is no stage ${from} before this one`)
  if (stages.some(({ name }) => name === from.toLowerCase()))
    throw new DockerfileError(line, `the stage '${from}' comes later`)
  if (from === 'scratch') throw new DockerfileError(line, 'there is nothing in scratch to copy')
  return { image: from }
}

/** The stages that a target needs, itself last. */
export function neededFor(stages: readonly Stage[], target: Stage): Stage[] {
  const needed = new Set<number>([target.number])
  for (const stage of stages.slice(0, target.number + 1).reverse()) {
    if (!needed.has(stage.number)) continue
    const origins = [stage.from, ...stage.instructions.flatMap((each) => originsOf(each, stages, stage))]
    for (const origin of origins) if (origin !== null && 'stage' in origin) needed.add(origin.stage)
  }
  return stages.filter(({ number }) => needed.has(number))
}
