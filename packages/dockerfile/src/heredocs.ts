import type { Escape } from './instructions.ts'
import { rawWords } from './words.ts'

export interface Heredoc {
  /** What ends it, and what a file made of it is called */
  name: string
  /** Variables in it are replaced: its name was not quoted */
  expand: boolean
  /** Tabs at the beginning of its lines are left out */
  chomp: boolean
  /** Lines as they stand in the file */
  content: string
}

const HEREDOC = /^\d*<<(-?)([^<]+)$/

/** The heredocs that the words of an instruction begin, without their content. */
export function findHeredocs(rest: string, escapeChar: Escape): Omit<Heredoc, 'content'>[] {
  if (!rest.includes('<<')) return []
  return rawWords(rest, escapeChar).flatMap((word) => {
    const found = parseHeredoc(word)
    return found === null ? [] : [found]
  })
}

export function parseHeredoc(word: string): Omit<Heredoc, 'content'> | null {
  const [whole, chomp, quoted = ''] = HEREDOC.exec(word) ?? []
  if (whole === undefined) return null
  const name = quoted.replace(/^(["'])(.*)\1$/, '$2')
  if (!/^[^\s"'\\`]+$/.test(name)) return null
  return { name, expand: name === quoted, chomp: chomp === '-' }
}

/** Its lines as they are used. */
export function chomped({ chomp, content }: Heredoc): string {
  return chomp ? content.replace(/^\t+/gm, '') : content
}
