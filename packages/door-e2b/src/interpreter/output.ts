import { stripVTControlCharacters } from 'node:util'
import type { KernelMessage } from './jupyter/schemas.ts'
import { CHART_FORMAT, DATA_FORMAT } from './result-formatters.ts'

/** A line of the answer to an execution. */
export type Line =
  | { type: 'stdout' | 'stderr'; text: string; timestamp: string }
  | ({ type: 'result'; is_main_result: boolean } & Record<string, unknown>)
  | { type: 'error'; name: string; value: string; traceback: string }
  | { type: 'number_of_executions'; execution_count: number }
  | { type: 'keepalive' }
  | { type: 'end_of_execution' }

/** Formats that the protocol has names for; all others go into `extra` by their own. */
const FORMATS: Readonly<Record<string, string>> = {
  'text/plain': 'text',
  'text/html': 'html',
  'text/markdown': 'markdown',
  'image/svg+xml': 'svg',
  'image/png': 'png',
  'image/jpeg': 'jpeg',
  'application/pdf': 'pdf',
  'text/latex': 'latex',
  'application/json': 'json',
  'application/javascript': 'javascript',
  [DATA_FORMAT]: 'data',
  [CHART_FORMAT]: 'chart',
}
/** Formats that are not text */
const STRUCTURED: ReadonlySet<string> = new Set(['application/json', DATA_FORMAT, CHART_FORMAT])
const FORMATS_MAX = 64
const FORMAT_NAME_MAX = 256
const FRAMES_MAX = 1_000

/** What the client is told about a message of the kernel; `null` where the protocol has no word for it. */
export function lineOf({ header, content }: KernelMessage): Line | null {
  switch (header.msg_type) {
    case 'stream': {
      const { name, text } = content
      if ((name !== 'stdout' && name !== 'stderr') || typeof text !== 'string') return null
      return { type: name, text, timestamp: header.date }
    }
    case 'execute_input': {
      const { execution_count: count } = content
      return Number.isSafeInteger(count) ? { type: 'number_of_executions', execution_count: Number(count) } : null
    }
    case 'display_data':
    case 'execute_result':
      return resultOf(content.data, header.msg_type === 'execute_result')
    case 'error':
      return errorOf(content)
    default:
      return null
  }
}

function resultOf(data: unknown, isMainResult: boolean): Line | null {
  if (typeof data !== 'object' || data === null) return null
  const named: Record<string, unknown> = {}
  const extra: Record<string, unknown> = {}
  for (const [format, value] of Object.entries(data).slice(0, FORMATS_MAX)) {
    const name = Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined
    if (name === undefined) {
      if (format.length <= FORMAT_NAME_MAX) extra[format] = value
    } else if (STRUCTURED.has(format)) named[name] = value
    else if (typeof value === 'string') named[name] = format === 'text/plain' ? unquoted(value) : value
  }
  if (Object.keys(extra).length > 0) named.extra = extra
  return { type: 'result', is_main_result: isMainResult, ...named }
}

/** A string as the result of a cell is shown without the quotes that Python shows it in. */
function unquoted(text: string): string {
  return text.length > 1 && text.startsWith("'") && text.endsWith("'") ? text.slice(1, -1) : text
}

function errorOf({ ename, evalue, traceback }: KernelMessage['content']): Line {
  const frames = Array.isArray(traceback) ? traceback.slice(0, FRAMES_MAX) : []
  return {
    type: 'error',
    name: typeof ename === 'string' ? ename : 'Error',
    value: typeof evalue === 'string' ? evalue : '',
    // Colours are for terminals.
    traceback: stripVTControlCharacters(frames.filter((frame) => typeof frame === 'string').join('\n')),
  }
}
