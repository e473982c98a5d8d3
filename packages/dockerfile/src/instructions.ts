import { DockerfileError } from './failure.ts'
import { findHeredocs, type Heredoc } from './heredocs.ts'

export interface Instruction {
  /** Counted from 1 */
  line: number
  endLine: number
  /** In capitals */
  keyword: string
  /** `--chown=app` as `['chown', 'app']`; a flag without a value has none */
  flags: [name: string, value: string | null][]
  /** Everything after them, continued lines put together */
  rest: string
  heredocs: Heredoc[]
  /** It as it would be on one line */
  text: string
}

export interface ParsedFile {
  instructions: Instruction[]
  escapeChar: Escape
}

export type Escape = '\\' | '`'

const DIRECTIVE = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+)$/
const KNOWN_DIRECTIVES = new Set(['syntax', 'escape', 'check'])
const WITH_HEREDOCS = new Set(['RUN', 'COPY', 'ADD'])
const MAX_INSTRUCTIONS = 1_000

/** Puts continued lines together, without the comments and empty lines between them, and splits each instruction. */
export function parseInstructions(text: string): ParsedFile {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  const escapeChar = escapeOf(lines)
  const instructions: Instruction[] = []
  for (let at = 0; at < lines.length; ) {
    const first = at + 1
    let line = ''
    let open = true
    while (open && at < lines.length) {
      const given = lines[at] ?? ''
      const continued = line !== ''
      at += 1
      if (/^\s*#/.test(given) || (given.trim() === '' && continued)) continue
      const [piece, more] = uncontinued(continued ? given : given.trimStart(), escapeChar)
      line += piece
      open = more
      if (!more && line === '') break
    }
    if (line.trim() === '') continue
    const instruction = split(line, startOf(lines, first, at))
    if (WITH_HEREDOCS.has(instruction.keyword)) {
      for (const heredoc of findHeredocs(instruction.rest, escapeChar)) {
        const content: string[] = []
        for (;;) {
          const given = lines[at]
          if (given === undefined || at >= lines.length)
            throw new DockerfileError(instruction.line, `the heredoc '${heredoc.name}' does not end`)
          at += 1
          if ((heredoc.chomp ? given.replace(/^\t+/, '') : given) === heredoc.name) break
          content.push(given)
        }
        instruction.heredocs.push({ ...heredoc, content: content.map((each) => `${each}\n`).join('') })
      }
    }
    instructions.push({ ...instruction, endLine: at })
    if (instructions.length > MAX_INSTRUCTIONS)
      throw new DockerfileError(instruction.line, `more than ${MAX_INSTRUCTIONS} instructions`)
  }
  return { instructions, escapeChar }
}

/** Directives stand before everything else, comments included. */
function escapeOf(lines: string[]): Escape {
  for (const [index, line] of lines.entries()) {
    const [, key = '', value = ''] = DIRECTIVE.exec(line.trim()) ?? []
    if (!KNOWN_DIRECTIVES.has(key.toLowerCase())) return '\\'
    if (key.toLowerCase() !== 'escape') continue
    if (value !== '\\' && value !== '`') throw new DockerfileError(index + 1, 'escape is either \\ or `')
    return value
  }
  return '\\'
}

/** Comments and empty lines before an instruction are not its own. */
function startOf(lines: string[], first: number, end: number): number {
  for (let line = first; line <= end; line += 1) {
    const text = (lines[line - 1] ?? '').trim()
    if (text !== '' && !text.startsWith('#')) return line
  }
  return first
}

/** The line without what continues it, and whether it goes on. An escape that is escaped itself continues nothing. */
function uncontinued(line: string, escapeChar: Escape): [string, boolean] {
  const end = line.trimEnd()
  if (!end.endsWith(escapeChar) || end.endsWith(escapeChar + escapeChar)) return [line, false]
  return [end.slice(0, -1), true]
}

function split(given: string, line: number): Instruction {
  const text = given.trim()
  const [, word = '', after = ''] = /^(\S+)\s*([\s\S]*)$/.exec(text) ?? []
  if (!/^[a-zA-Z]+$/.test(word)) throw new DockerfileError(line, `unknown instruction: ${word.slice(0, 64)}`)
  const flags: Instruction['flags'] = []
  let rest = after
  for (;;) {
    const [whole, name = '', value] = /^--([a-z][a-z0-9-]*)(?:=((?:"[^"]*"|'[^']*'|\S)*))?(?=\s|$)\s*/.exec(rest) ?? []
    if (whole === undefined) break
    flags.push([name, value ?? null])
    rest = rest.slice(whole.length)
  }
  const keyword = word.toUpperCase()
  return { line, endLine: line, keyword, flags, rest, heredocs: [], text: oneLine(`${keyword} ${after}`) }
}

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length > 200 ? `${line.slice(0, 199)}…` : line
}
