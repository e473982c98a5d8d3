import { at, DockerfileError } from './failure.ts'
import type { Escape, Instruction } from './instructions.ts'
import { expand, rawWords, type Variables } from './words.ts'

/** What images for this machine are for, in Docker's words */
export const ARCHITECTURE = process.arch === 'x64' ? 'amd64' : process.arch

/** Build arguments that need no ARG. */
const ALWAYS = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'].flatMap((name) => [
  name,
  name.toLowerCase(),
])

/** What a file may name as ARG without a default, and in FROM without an ARG. */
const PLATFORM: Record<string, string> = Object.fromEntries(
  ['BUILD', 'TARGET'].flatMap((whose) => [
    [`${whose}PLATFORM`, `linux/${ARCHITECTURE}`],
    [`${whose}OS`, 'linux'],
    [`${whose}ARCH`, ARCHITECTURE],
    [`${whose}VARIANT`, ''],
  ]),
)

/** What the caller gave for ARGs, and what ARGs before the first FROM make of it. */
export class BuildArguments {
  readonly #given: Readonly<Record<string, string>>
  readonly #escapeChar: Escape
  readonly #global = new Map<string, string>()
  readonly #asked = new Set<string>()

  constructor(given: Readonly<Record<string, string>>, escapeChar: Escape) {
    this.#given = given
    this.#escapeChar = escapeChar
  }

  /** An ARG before the first FROM. */
  declareGlobal(instruction: Instruction): void {
    for (const [name, value] of this.declared(instruction, this.inFrom, new Map()))
      if (value !== undefined) this.#global.set(name, value)
  }

  /** Variables of FROM */
  readonly inFrom: Variables = (name) => this.#global.get(name) ?? this.#own(PLATFORM, name)

  /** What an ARG of a stage sets; `undefined` for what has no value. */
  declared(
    instruction: Instruction,
    variables: Variables,
    global: ReadonlyMap<string, string> = this.#global,
  ): [string, string | undefined][] {
    const words = rawWords(instruction.rest, this.#escapeChar)
    if (words.length === 0) throw new DockerfileError(instruction.line, 'ARG needs a name')
    return words.map((word) => {
      const equals = word.indexOf('=')
      const name = equals < 0 ? word : word.slice(0, equals)
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
        throw new DockerfileError(instruction.line, `not a name for an ARG: ${name.slice(0, 80)}`)
      this.#asked.add(name)
      const given = this.#own(this.#given, name)
      if (given !== undefined) return [name, given]
      if (equals >= 0) return [name, expandAt(instruction.line, word.slice(equals + 1), variables, this.#escapeChar)]
      return [name, global.get(name) ?? this.#own(PLATFORM, name)]
    })
  }

  /** Those for every RUN, declared or not */
  get always(): Record<string, string> {
    return Object.fromEntries(Object.entries(this.#given).filter(([name]) => ALWAYS.includes(name)))
  }

  /** Given, but asked for by no ARG */
  get unused(): string[] {
    return Object.keys(this.#given).filter((name) => !this.#asked.has(name) && !ALWAYS.includes(name))
  }

  #own(values: Readonly<Record<string, string>>, name: string): string | undefined {
    return Object.hasOwn(values, name) ? values[name] : undefined
  }
}

export function expandAt(line: number, text: string, variables: Variables, escapeChar: Escape): string {
  return at(line, () => expand(text, variables, escapeChar))
}
